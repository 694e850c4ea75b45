//! When an interface is loaded, and who waits for whom.

use super::Interface;
use crate::{Backend, BackendKind, Code, Device, DeviceUuid, Gpu, VramError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS_MAX: Duration = Duration::from_secs(30);

/// An interface without devices. Opening device 1 waits until somebody asked for another one.
struct Waiting {
    asked: Mutex<Sender<()>>,
    others: Mutex<Receiver<()>>,
}

impl Waiting {
    fn new() -> Self {
        let (asked, others) = channel();
        Self {
            asked: Mutex::new(asked),
            others: Mutex::new(others),
        }
    }
}

impl Backend for Waiting {
    fn kind(&self) -> BackendKind {
        BackendKind::Cuda
    }

    fn devices(&self) -> Result<Vec<Device>, VramError> {
        Ok(Vec::new())
    }

    fn open(&self, device: DeviceUuid) -> Result<Arc<dyn Gpu>, VramError> {
        let failed = |message: &str| VramError::new(Code::DriverFailed, message);
        if device == uuid(1) {
            let others = self.others.lock().map_err(|_| failed("poisoned"))?;
            others
                .recv_timeout(MS_MAX)
                .map_err(|_| failed("nobody else was let in"))?;
        } else {
            let asked = self.asked.lock().map_err(|_| failed("poisoned"))?;
            asked.send(()).map_err(|_| failed("nobody waits"))?;
        }
        Err(VramError::new(Code::NoDevice, "there is none"))
    }
}

fn uuid(digit: u8) -> DeviceUuid {
    DeviceUuid::from([digit; 16])
}

#[test]
fn it_is_loaded_by_the_first_question_and_once() {
    let loads = Arc::new(AtomicU32::new(0));
    let counted = loads.clone();
    let interface = Interface::new(BackendKind::Cuda, move || {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Err(VramError::new(Code::NoDriver, "not installed yet")),
            _ => Ok(Waiting::new()),
        }
    });
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    let absent = interface.devices().map_err(|error| error.code);
    assert_eq!(absent, Err(Code::NoDriver));
    // Installed meanwhile: who asks again is answered.
    assert!(interface.devices().is_ok_and(|devices| devices.is_empty()));
    assert!(interface.devices().is_ok_and(|devices| devices.is_empty()));
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[test]
fn a_device_that_is_being_opened_keeps_nobody_from_another() {
    let interface = Interface::loaded(Arc::new(Waiting::new()));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| interface.gpu(uuid(1)).err().map(|error| error.code));
        assert_eq!(
            interface.gpu(uuid(2)).err().map(|error| error.code),
            Some(Code::NoDevice)
        );
        assert_eq!(slow.join().ok(), Some(Some(Code::NoDevice)));
    });
    assert!(interface.gpus().is_empty(), "names of nothing are kept");
}
