//! What the types promise to those who use them from several threads.

use verify::{
    Block, BytesPass, Control, FileFacts, Inspected, Refusal, Root, Verified, VerifiedBytes,
};

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn everything_can_be_shared_between_threads() {
    shared::<Block>();
    shared::<BytesPass>();
    shared::<Control>();
    shared::<FileFacts>();
    shared::<Inspected>();
    shared::<Refusal>();
    shared::<Root>();
    shared::<Verified>();
    shared::<VerifiedBytes>();
}

#[test]
fn codes_are_spelled_as_they_always_will_be() {
    use verify::Code;
    let spelled = [
        (Code::PathTraversal, "PATH_TRAVERSAL"),
        (Code::NotFound, "NOT_FOUND"),
        (Code::PermissionDenied, "PERMISSION_DENIED"),
        (Code::NotRegularFile, "NOT_REGULAR_FILE"),
        (Code::TooLarge, "TOO_LARGE"),
        (Code::ChangedWhileRead, "CHANGED_WHILE_READ"),
        (Code::ChangedAfterCheck, "CHANGED_AFTER_CHECK"),
        (Code::Aborted, "ABORTED"),
        (Code::Io, "IO"),
        (Code::DigestMismatch, "DIGEST_MISMATCH"),
        (Code::PlatformUnsupported, "PLATFORM_UNSUPPORTED"),
        (Code::Internal, "INTERNAL"),
        (Code::Gguf(gguf::Code::BadShape), "GGUF_BAD_SHAPE"),
    ];
    for (code, text) in spelled {
        assert_eq!(code.as_str(), text);
    }
}
