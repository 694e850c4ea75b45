//! What each result comes to.

use super::*;

#[test]
fn a_result_has_its_code_and_its_name() {
    let told = [
        (
            vk::Result::ERROR_DEVICE_LOST,
            Code::DeviceLost,
            "VK_ERROR_DEVICE_LOST",
        ),
        (
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
            Code::AllocationFailed,
            "VK_ERROR_OUT_OF_DEVICE_MEMORY",
        ),
        (
            vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            Code::AllocationFailed,
            "VK_ERROR_OUT_OF_HOST_MEMORY",
        ),
        (
            vk::Result::ERROR_TOO_MANY_OBJECTS,
            Code::AllocationFailed,
            "VK_ERROR_TOO_MANY_OBJECTS",
        ),
        (
            vk::Result::ERROR_INCOMPATIBLE_DRIVER,
            Code::NoDriver,
            "VK_ERROR_INCOMPATIBLE_DRIVER",
        ),
        (
            vk::Result::ERROR_FEATURE_NOT_PRESENT,
            Code::DriverTooOld,
            "VK_ERROR_FEATURE_NOT_PRESENT",
        ),
        (
            vk::Result::ERROR_UNKNOWN,
            Code::DriverFailed,
            "VK_ERROR_UNKNOWN",
        ),
        (
            vk::Result::from_raw(-12345),
            Code::DriverFailed,
            "VK_-12345",
        ),
    ];
    for (result, code, name) in told {
        let error = VramError::from(Fault {
            call: "vkQueueSubmit",
            result,
        });
        assert_eq!(error.code, code, "{name}");
        let fault = error.driver.expect("the driver's own words");
        assert_eq!((fault.call, fault.name.as_str()), ("vkQueueSubmit", name));
        assert_eq!(fault.status, i64::from(result.as_raw()));
    }
}

#[test]
fn a_lost_device_is_never_retriable_and_little_memory_is() {
    let of = |result| {
        VramError::from(Fault {
            call: "vkQueueSubmit",
            result,
        })
    };
    assert!(!of(vk::Result::ERROR_DEVICE_LOST).is_retriable());
    assert!(of(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY).is_retriable());
}

#[test]
fn what_lacks_is_named() {
    let absent = VramError::from(NotOpened::Absent("no such file".to_owned()));
    assert_eq!(absent.code, Code::NoDriver);
    assert!(absent.message.contains("no such file"));
    let missing = VramError::from(NotOpened::Missing(c"vkEnumerateInstanceVersion"));
    assert_eq!(missing.code, Code::DriverTooOld);
    assert!(missing.message.contains("vkEnumerateInstanceVersion"));
}
