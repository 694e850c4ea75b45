//! Work on a thread of its own, settled as a promise.
//!
//! The libuv pool has four threads for all of the process's files and names: a model of 400 GB would starve them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use napi::JsDeferred;
use napi::bindgen_prelude::{Env, Error, Object, Result, ToNapiValue};

/// What a settled promise keeps alive outside of JavaScript's heap.
///
/// The garbage collector sees only a small object, and would let gigabytes of headers wait behind it.
pub(crate) trait Held {
    fn held_bytes(&self) -> i64 {
        0
    }
}

impl Held for () {}

type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T>>;

/// Runs `work` on a new thread. A panic in it rejects the promise; it never reaches Node.
pub(crate) fn promise<'env, T>(
    env: &'env Env,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Object<'env>>
where
    T: ToNapiValue + Held + Send + 'static,
{
    let (sender, receiver) = mpsc::channel::<JsDeferred<T, Resolver<T>>>();
    // The thread comes first: a promise without one would never settle and keep the process alive.
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if let Ok(deferred) = receiver.recv() {
                settle(deferred, work);
            }
        })
        .map_err(|error| Error::from_reason(format!("no thread to work on: {error}")))?;
    let (deferred, promise) = env.create_deferred()?;
    sender
        .send(deferred)
        .map_err(|_| Error::from_reason("the new thread has gone"))?;
    Ok(promise)
}

fn settle<T>(deferred: JsDeferred<T, Resolver<T>>, work: impl FnOnce() -> T)
where
    T: ToNapiValue + Held + Send + 'static,
{
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => deferred.resolve(Box::new(move |env| {
            env.adjust_external_memory(value.held_bytes())?;
            Ok(value)
        })),
        Err(panic) => deferred.reject(Error::from_reason(text_of(panic.as_ref()))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a message"))
}
