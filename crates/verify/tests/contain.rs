//! What a path may reach: one table for both resolvers, relative and absolute.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, code, load, model};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::process::getuid;
use rustix::thread::set_thread_res_uid;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use verify::{Code, Refusal, Resolver, Root, Verified};

/// Both resolvers, or the walk alone where a sandbox forbids openat2.
fn resolvers() -> Vec<Resolver> {
    let mut resolvers = vec![Resolver::Walk];
    resolvers.extend(has_openat2().then_some(Resolver::Openat2));
    resolvers
}

fn has_openat2() -> bool {
    let flags = (OFlags::PATH, Mode::empty(), ResolveFlags::BENEATH);
    rustix::fs::openat2(CWD, ".", flags.0, flags.1, flags.2).is_ok()
}

/// A folder with a root of all kinds of things in it, and secrets beside the root.
fn zoo() -> Folder {
    let folder = Folder::new();
    let bytes = model(200);
    for name in [
        "root",
        "root/sub",
        "root/sub/deep",
        "outside",
        "outside/sub",
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in [
        "outside/secret",
        "outside/sub/inner",
        "root/model",
        "root/..model",
        "root/new\nline",
        "root/sub/inner",
        "root/sub/deep/own",
    ] {
        folder.file(name, &bytes);
    }
    fs::hard_link(at(&folder, "outside/secret"), at(&folder, "root/hard")).unwrap();
    links(&folder);
    let fifo = at(&folder, "root/fifo");
    rustix::fs::mknodat(CWD, fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    drop(UnixListener::bind(at(&folder, "root/socket")).unwrap());
    folder
}

fn links(folder: &Folder) {
    let inside = at(folder, "root/model");
    let outside = at(folder, "outside/secret");
    for (name, target) in [
        ("link", "model"),
        ("sub/up", "../model"),
        ("sub/around", "../../root/model"),
        ("folder", "sub"),
        ("folder_slash", "sub/"),
        ("file_slash", "model/"),
        ("here", "."),
        ("out", "../outside/secret"),
        ("out_folder", "../outside"),
        ("parent", ".."),
        ("dangling", "nowhere"),
        ("dangling_out", "../outside/nowhere"),
        ("loop", "pool"),
        ("pool", "loop"),
        ("self", "self"),
        ("abs_inside", inside.as_str()),
        ("abs_outside", outside.as_str()),
        ("abs_root", "/"),
        ("proc", "/proc/self/fd/0"),
    ] {
        symlink(target, at(folder, &format!("root/{name}"))).unwrap();
    }
    // chain1 takes 1 link to the model, chain41 takes 41.
    for number in 1..=41 {
        let target = match number {
            1 => "model".to_owned(),
            _ => format!("chain{}", number - 1),
        };
        symlink(target, at(folder, &format!("root/chain{number}"))).unwrap();
    }
}

fn at(folder: &Folder, name: &str) -> String {
    folder
        .path()
        .join(name)
        .into_os_string()
        .into_string()
        .unwrap()
}

fn open(folder: &Folder, resolver: Resolver) -> Root {
    Root::open_with(&folder.path().join("root"), resolver).unwrap()
}

const ESCAPES: &[&str] = &[
    "..",
    "../",
    "../outside/secret",
    "../root/model",
    "./../outside/secret",
    "sub/../../outside/secret",
    "sub//..//..//outside/secret",
    "folder/../../outside/secret",
    "missing/../../etc/passwd",
    "missing/../..",
    "model/../../outside/secret",
    "loop/../../x",
    "fifo/../../x",
    "../nowhere",
    "out",
    "out/",
    "out_folder",
    "out_folder/secret",
    "out_folder/nowhere",
    "parent",
    "parent/root/model",
    "dangling_out",
    "sub/around",
    "abs_inside",
    "abs_outside",
    "abs_root",
    "abs_root/etc/passwd",
    "proc",
    "nul\0",
    "model\0.gguf",
    "\0",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/fd/0",
];

const MISSING: &[&str] = &[
    "nowhere",
    "nowhere/",
    "sub/nowhere",
    "nowhere/model",
    "model/",
    "model/.",
    "model/x",
    "model/..",
    "link/",
    "file_slash",
    "dangling",
    "dangling/x",
    "sub/dangling",
    "fifo/x",
    "...",
    "..model/x",
    " model",
    "model ",
    "MODEL",
];

const NOT_REGULAR: &[&str] = &[
    ".",
    "./",
    "./.",
    "sub",
    "sub/",
    "sub/.",
    "sub/..",
    "sub/deep/../..",
    "folder",
    "folder/",
    "folder_slash",
    "here",
    "here/here/.",
    "fifo",
    "socket",
    "./fifo",
];

const LOOPS: &[&str] = &["loop", "pool", "self", "self/x", "sub/../loop", "chain41"];

const INSIDE: &[&str] = &[
    "model",
    "./model",
    "././/model",
    "sub/../model",
    "sub/inner",
    "sub/deep/../inner",
    "sub/deep/../../model",
    "link",
    "sub/up",
    "folder/inner",
    "folder/up",
    "folder/deep/own",
    "folder_slash/inner",
    "here/here/model",
    "..model",
    "new\nline",
    "chain1",
    "chain40",
    // A hard link is the file itself: nothing tells which of its names was first.
    "hard",
];

#[test]
fn the_table() {
    let folder = zoo();
    let rows = [
        (ESCAPES, Code::PathTraversal),
        (MISSING, Code::NotFound),
        (NOT_REGULAR, Code::NotRegularFile),
        (LOOPS, Code::Io),
    ];
    for resolver in resolvers() {
        let root = open(&folder, resolver);
        for (paths, expected) in rows {
            for path in paths {
                assert_eq!(
                    code(load(&root, path)),
                    expected,
                    "{path:?} by {resolver:?}"
                );
            }
        }
        for path in INSIDE {
            assert!(load(&root, path).is_ok(), "{path:?} by {resolver:?}");
        }
    }
}

#[test]
fn an_absolute_path_below_the_root_is_the_relative_one() {
    let folder = zoo();
    let prefix = at(&folder, "root");
    for resolver in resolvers() {
        let root = open(&folder, resolver);
        for (paths, expected) in [
            (ESCAPES, Code::PathTraversal),
            (MISSING, Code::NotFound),
            (NOT_REGULAR, Code::NotRegularFile),
            (LOOPS, Code::Io),
        ] {
            for path in paths.iter().filter(|path| !path.starts_with('/')) {
                let absolute = format!("{prefix}/{path}");
                assert_eq!(
                    code(load(&root, &absolute)),
                    expected,
                    "{absolute:?} by {resolver:?}"
                );
            }
        }
        for path in INSIDE {
            assert!(load(&root, format!("{prefix}/{path}")).is_ok(), "{path:?}");
            assert!(
                load(&root, format!("/{prefix}//{path}")).is_ok(),
                "{path:?}"
            );
        }
        assert_eq!(code(load(&root, &prefix)), Code::NotRegularFile);
        let beside = format!("{prefix}-old/model");
        assert_eq!(code(load(&root, beside)), Code::PathTraversal);
        let above = at(&folder, "outside/secret");
        assert_eq!(code(load(&root, above)), Code::PathTraversal);
        // Under the root by the kernel's eyes, but not by the text's: only the text counts.
        let through = format!("{}/../root/model", at(&folder, "outside"));
        assert_eq!(code(load(&root, through)), Code::PathTraversal);
    }
}

#[test]
fn a_root_given_by_a_link_takes_absolute_paths_in_both_spellings() {
    let folder = zoo();
    let alias = at(&folder, "alias");
    symlink("root", &alias).unwrap();
    let root = Root::open(Path::new(&alias)).unwrap();
    assert_eq!(root.path(), folder.path().join("root"));
    assert!(load(&root, format!("{alias}/model")).is_ok());
    assert!(load(&root, at(&folder, "root/model")).is_ok());
}

#[test]
fn the_root_stays_the_folder_that_was_opened() {
    let folder = zoo();
    for resolver in resolvers() {
        let root = open(&folder, resolver);
        fs::rename(at(&folder, "root"), at(&folder, "moved")).unwrap();
        symlink("outside", at(&folder, "root")).unwrap();
        assert!(load(&root, "model").is_ok());
        assert_eq!(code(load(&root, "secret")), Code::NotFound);
        fs::remove_file(at(&folder, "root")).unwrap();
        fs::rename(at(&folder, "moved"), at(&folder, "root")).unwrap();
    }
}

#[test]
fn odd_texts() {
    let folder = zoo();
    let long_name = "x".repeat(300);
    let long_path = "sub/../".repeat(600) + "model";
    let climbing = "x/".repeat(2_000) + &"../".repeat(2_001);
    let deep = "sub/../".repeat(500) + "model";
    for resolver in resolvers() {
        let root = open(&folder, resolver);
        assert_eq!(code(load(&root, "")), Code::NotFound);
        assert_eq!(code(load(&root, &long_name)), Code::NotFound);
        assert_eq!(code(load(&root, &long_path)), Code::NotFound);
        assert_eq!(code(load(&root, &climbing)), Code::PathTraversal);
        assert!(load(&root, &deep).is_ok());
        let not_text = load(&root, b"\xff\xfe");
        assert_eq!(code(not_text), Code::NotFound);
    }
}

#[test]
fn the_walk_holds_only_so_many_folders_open() {
    let folder = zoo();
    let nested = "d/".repeat(129);
    fs::create_dir_all(at(&folder, &format!("root/{nested}"))).unwrap();
    folder.file(&format!("root/{nested}model"), &model(200));
    folder.file(&format!("root/{}model", &nested[2..]), &model(200));
    let walk = open(&folder, Resolver::Walk);
    assert!(load(&walk, format!("{}model", &nested[2..])).is_ok());
    let refusal = load(&walk, format!("{nested}model")).unwrap_err();
    assert_eq!(refusal.code, Code::Io);
    assert!(refusal.message.contains("ENAMETOOLONG"), "{refusal}");
    assert!(!refusal.retriable);
}

#[test]
fn devices_and_magic_links_by_way_of_the_systems_own_folders() {
    for resolver in resolvers() {
        let dev = Root::open_with(Path::new("/dev"), resolver).unwrap();
        assert_eq!(code(load(&dev, "null")), Code::NotRegularFile);
        assert_eq!(code(load(&dev, "zero")), Code::NotRegularFile);
        let proc = Root::open_with(Path::new("/proc/self"), resolver).unwrap();
        for path in ["exe", "cwd", "root/etc/passwd", "fd/0", "ns/mnt"] {
            assert_eq!(
                code(load(&proc, path)),
                Code::PathTraversal,
                "{path} by {resolver:?}"
            );
        }
    }
}

/// Loads as a user without rights. Linux keeps the user per thread, so the others stay root.
fn load_as_nobody(root: &Root, path: &str) -> Result<Verified, Refusal> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if getuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65_534);
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            load(root, path)
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_file_or_folder_that_may_not_be_read() {
    let folder = zoo();
    let forbid = |name: &str| {
        fs::set_permissions(at(&folder, name), fs::Permissions::from_mode(0o000)).unwrap();
    };
    forbid("root/model");
    forbid("root/sub/deep");
    for resolver in resolvers() {
        let root = open(&folder, resolver);
        for path in [
            "model",
            "link",
            "sub/up",
            "sub/deep/own",
            "sub/deep/nowhere",
        ] {
            let refusal = load_as_nobody(&root, path).unwrap_err();
            assert_eq!(
                refusal.code,
                Code::PermissionDenied,
                "{path} by {resolver:?}"
            );
            assert_eq!(refusal.errno, Some(13));
            assert!(!refusal.retriable);
        }
        // It failed for want of a permission, but it also climbs.
        let climbing = load_as_nobody(&root, "sub/deep/../../../outside/secret");
        assert_eq!(code(climbing), Code::PathTraversal);
        assert!(load_as_nobody(&root, "sub/inner").is_ok());
    }
    fs::set_permissions(
        at(&folder, "root/sub/deep"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
}

#[test]
fn a_root_that_cannot_be_one() {
    let folder = zoo();
    for name in ["nowhere", "root/model", "root/model/x", "root/dangling"] {
        let refusal = Root::open(&folder.path().join(name)).unwrap_err();
        assert_eq!(refusal.code, Code::NotFound, "{name}");
    }
    let looping = Root::open(&folder.path().join("root/loop")).unwrap_err();
    assert_eq!(looping.code, Code::Io);
}

#[test]
fn messages_say_what_is_wrong_without_saying_where_it_led() {
    let folder = zoo();
    let root = folder.path().join("root");
    for resolver in resolvers() {
        let root = Root::open_with(&root, resolver).unwrap();
        for path in ESCAPES
            .iter()
            .chain(MISSING)
            .chain(NOT_REGULAR)
            .chain(LOOPS)
        {
            let refusal = load(&root, path).unwrap_err();
            let message = refusal.to_string();
            for word in ["outside", "secret", "passwd", "/proc", "/etc"] {
                assert!(!message.contains(word), "{message}");
            }
            assert!(message.starts_with(refusal.code.as_str()), "{message}");
        }
        let message = |path| load(&root, path).unwrap_err().message;
        let fifo = fs::symlink_metadata(folder.path().join("root/fifo")).unwrap();
        let facts = load(&root, "fifo").unwrap_err().facts.unwrap();
        assert_eq!((facts.dev, facts.ino), (fifo.dev(), fifo.ino()));
        assert!(message("sub").contains("a folder"));
        assert!(message("fifo").contains("a FIFO"));
        assert!(message("socket").contains("a socket"));
        assert!(message("loop").contains("symbolic links"));
    }
}

#[test]
fn the_kernels_resolver_is_chosen_where_it_works() {
    let folder = zoo();
    let root = Root::open(&folder.path().join("root")).unwrap();
    assert_eq!(root.resolver() == Resolver::Openat2, has_openat2());
    assert!(load(&root, "sub/up").is_ok());
}

#[test]
fn a_file_replaced_after_the_open_is_still_the_one_that_was_verified() {
    let folder = zoo();
    let root = folder.path().join("root");
    let verified = load(&Root::open(&root).unwrap(), "model").unwrap();
    fs::rename(root.join("sub/inner"), root.join("model")).unwrap();
    let held = fs::File::from(
        std::os::fd::AsFd::as_fd(&verified)
            .try_clone_to_owned()
            .unwrap(),
    );
    assert_eq!(held.metadata().unwrap().ino(), verified.facts().ino);
    assert_ne!(
        fs::metadata(root.join("model")).unwrap().ino(),
        verified.facts().ino
    );
}

/// What a load says, as far as both resolvers must agree.
fn outcome(root: &Root, path: &str) -> Result<u64, Code> {
    let answer = load(root, path);
    answer.map(|it| it.facts().ino).map_err(|it| it.code)
}

const NAMES: &[&str] = &[
    "..",
    "..",
    ".",
    "",
    "model",
    "sub",
    "deep",
    "inner",
    "own",
    "up",
    "around",
    "folder",
    "folder_slash",
    "file_slash",
    "here",
    "out",
    "out_folder",
    "parent",
    "dangling",
    "loop",
    "self",
    "abs_inside",
    "abs_root",
    "fifo",
    "socket",
    "root",
    "outside",
    "secret",
    "nowhere",
];

#[test]
fn both_resolvers_agree_on_any_path() {
    let folder = zoo();
    let kernel = Root::open(&folder.path().join("root")).unwrap();
    let walk = open(&folder, Resolver::Walk);
    let outside = fs::metadata(at(&folder, "outside/secret")).unwrap().ino();
    let names = prop::collection::vec(prop::sample::select(NAMES), 1..7);
    proptest!(ProptestConfig::with_cases(4_000), |(names in names)| {
        let path = names.join("/");
        let by_kernel = outcome(&kernel, &path);
        prop_assert_eq!(by_kernel, outcome(&walk, &path), "{:?}", path);
        if let Ok(inode) = by_kernel {
            prop_assert_ne!(inode, outside, "{:?}", path);
        }
    });
}
