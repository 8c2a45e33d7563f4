//! Whole command lines.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn request(args: &[&str]) -> Result<Request, UsageError> {
    parse(args.iter().map(OsString::from))
}

fn options(args: &[&str]) -> Options {
    match request(args) {
        Ok(Request::Mount(options)) => *options,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// With a lower directory, an upper one and a place to mount.
fn with(list: &str) -> Result<Options, UsageError> {
    let list = format!("lowerdir=/l,upperdir=/u,workdir=/w,{list}");
    match request(&["-o", &list, "/mnt"])? {
        Request::Mount(options) => Ok(*options),
        other => panic!("{other:?}"),
    }
}

fn refusal(list: &str) -> String {
    match with(list) {
        Err(error) => error.to_string(),
        Ok(options) => panic!("{list} is taken: {options:?}"),
    }
}

#[test]
fn podmans_call_is_understood() {
    let options = options(&[
        "-o",
        "lowerdir=l/ABC:l/DEF,upperdir=/s/1/diff,workdir=/s/1/work,nodev,volatile,\
         context=\"system_u:object_r:container_file_t:s0:c1,c2\",\
         uidmapping=:0:1000:1:1:110000:65536,gidmapping=:0:1000:1:1:110000:65536,xattr_permissions=2",
        "/s/1/merged",
    ]);
    assert_eq!(options.lowers, [Path::new("l/ABC"), Path::new("l/DEF")]);
    let upper = Upper { upper: "/s/1/diff".into(), work: "/s/1/work".into() };
    assert_eq!(options.upper, Some(upper));
    assert_eq!(options.union.sync, Durability::Volatile);
    assert_eq!(options.union.uid_map.to_host(2), Some(110_001));
    assert_eq!(options.union.gid_map.to_container(1000), Some(0));
    assert_eq!(options.union.xattr_permissions, XattrPermissions::Containers);
    let label = "system_u:object_r:container_file_t:s0:c1,c2".into();
    assert_eq!(options.mount.labels, [Label { option: "context", value: label }]);
    assert_eq!(options.mount.mountpoint, Path::new("/s/1/merged"));
    assert!(!options.mount.read_only && !options.foreground);
    assert!(options.without_effect.is_empty());
}

#[test]
fn podmans_call_for_one_id_is_understood() {
    let union = with("squash_to_uid=1000,squash_to_gid=100").unwrap().union;
    assert_eq!(union.squash, Squash { uid: Some(1000), gid: Some(100) });
}

#[test]
fn mount_8s_call_is_understood() {
    let options = options(&[
        "none",
        "/mnt",
        "-n",
        "-o",
        "rw,dev,suid,lowerdir=/l,_netdev,user=me,x-systemd.automount,nofail,comment=x",
        "-t",
        "fuse.fuse-overlay",
    ]);
    assert_eq!(options.mount.fsname, "none");
    assert_eq!(options.mount.subtype, "fuse-overlay");
    assert!(options.mount.flags.dev && options.mount.flags.suid);
    assert!(options.mount.read_only, "without an upper");
    assert!(options.without_effect.is_empty());
}

#[test]
fn what_is_not_said_is_as_with_fuse_overlayfs() {
    let options = with("").unwrap();
    assert_eq!(options.union, UnionOptions::default());
    assert_eq!(options.union.timeout, Duration::from_secs(1_000_000_000));
    assert_eq!(options.mount.flags, MountFlags::default());
    assert!(options.mount.flags.suid && !options.mount.flags.dev);
    assert_eq!(options.mount.flags.access_time, AccessTime::Never);
    assert_eq!(options.mount.access_for(true), Access::All);
    assert_eq!(options.mount.access_for(false), Access::Owner);
    assert_eq!(options.mount.fsname, "fuse-overlay");
}

fn union(list: &str) -> UnionOptions {
    with(list).unwrap().union
}

#[test]
fn options_about_owners_do_what_they_say() {
    assert_eq!(union("squash_to_root").squash, Squash { uid: Some(0), gid: Some(0) });
    assert!(!union("noxattrs").xattrs && !union("noxattrs=1").xattrs);
    assert!(union("noxattrs=0").xattrs);
    assert!(!union("noacl").acl);
    assert_eq!(union("xattr_permissions=1").xattr_permissions, XattrPermissions::Privileged);
}

#[test]
fn options_about_the_format_do_what_they_say() {
    assert_eq!(union("redirect_dir=nofollow").redirect_dir, Some(RedirectDir::NoFollow));
    assert_eq!(union("metacopy=on").metacopy, Some(true));
    assert_eq!(union("index=off").index, Some(false));
    assert_eq!(union("xino=on").xino, Xino::On);
    assert!(union("static_nlink").static_nlink);
    assert!(union("userxattr").userxattr);
}

#[test]
fn options_about_caches_and_threads_do_what_they_say() {
    assert_eq!(union("timeout=0.5").timeout, Duration::from_millis(500));
    assert_eq!(union("threaded=0").threads, Some(1));
    assert_eq!(union("threaded=1").threads, None);
    assert_eq!(union("max_threads=3").threads, Some(3));
    assert_eq!(union("threaded=0,max_threads=1").threads, Some(1));
    assert!(!union("writeback=0").writeback);
    let options = with("debug").unwrap();
    assert!(options.debug && options.foreground);
}

#[test]
fn options_about_flushes_do_what_they_say() {
    assert_eq!(union("fsync=0").sync, Durability::NoFsync);
    assert_eq!(union("sync=0").sync, Durability::NoFsync);
    assert_eq!(union("fsync=0,volatile").sync, Durability::Volatile);
    assert_eq!(union("fsync=1").sync, Durability::Fsync);
}

#[test]
fn options_about_the_mount_do_what_they_say() {
    let mount = |list| with(list).unwrap().mount;
    assert_eq!(mount("allow_root").access, Some(Access::OwnerAndRoot));
    assert_eq!(mount("allow_other").access, Some(Access::All));
    assert!(mount("ro").read_only && !mount("ro,rw").read_only);
    assert_eq!(mount("fsname=a,subtype=b").fsname, "a");
    assert_eq!(mount("fsname=a,subtype=b").subtype, "b");
    assert_eq!(mount(r"fsname=a\,b").fsname, "a,b");
    assert_eq!(mount("max_read=65536").max_read, Some(65536));
    assert!(mount("auto_unmount").auto_unmount);
}

#[test]
fn the_last_of_opposite_flags_counts() {
    let flags = |list| with(list).unwrap().mount.flags;
    let all = flags("dev,nosuid,noexec,strictatime,nodiratime,lazytime,sync,dirsync,nosymfollow");
    let expected = MountFlags {
        dev: true,
        suid: false,
        exec: false,
        access_time: AccessTime::Always,
        nodiratime: true,
        lazytime: true,
        sync: true,
        dirsync: true,
        nosymfollow: true,
    };
    assert_eq!(all, expected);
    let back = "nodev,suid,exec,noatime,diratime,nolazytime,async";
    let undone = flags(&format!("dev,nosuid,noexec,relatime,nodiratime,lazytime,sync,{back}"));
    assert_eq!(undone, MountFlags::default());
}

#[test]
fn letters_stand_anywhere_and_together() {
    let options = options(&["/src", "-fd", "-olowerdir=/l", "/mnt", "-s", "-f"]);
    assert!(options.foreground && options.debug);
    assert_eq!(options.union.threads, Some(1));
    assert_eq!(options.mount.mountpoint, Path::new("/mnt"));
    assert_eq!(request(&["-V"]), Ok(Request::Version));
    assert_eq!(request(&["-o", "no such", "--help"]), Ok(Request::Help));
}

#[test]
fn lower_directories_are_split_at_colons_that_are_not_escaped() {
    let lowers = |list: &str| options(&["-o", list, "/mnt"]).lowers;
    assert_eq!(lowers(r"lowerdir=/a\:b:/c\\:/d\,e"), ["/a:b", r"/c\", "/d,e"].map(Path::new));
    assert_eq!(lowers("lowerdir=/a,lowerdir=/b"), [Path::new("/b")]);
    assert_eq!(lowers("lowerdir+=/a:b,lowerdir+=/c"), ["/a:b", "/c"].map(Path::new));
}

#[test]
fn paths_are_bytes() {
    let list = [b"lowerdir=/\xff\xfe:/\x80,upperdir=/\xc3,workdir=/\xa9".as_slice(), b""].concat();
    let args = ["-o".into(), OsString::from_vec(list), OsString::from_vec(b"\xf0".to_vec())];
    let Ok(Request::Mount(options)) = parse(args.into_iter()) else { panic!("refused") };
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    assert_eq!(options.lowers, [path(b"/\xff\xfe"), path(b"/\x80")]);
    assert_eq!(options.upper, Some(Upper { upper: path(b"/\xc3"), work: path(b"/\xa9") }));
    assert_eq!(options.mount.mountpoint, path(b"\xf0"));
}

#[test]
fn contradictions_are_refused_by_name() {
    let whole = |list: &str| request(&["-o", list, "/mnt"]).unwrap_err().to_string();
    assert!(whole("ro").contains("no lower directory"));
    assert!(whole("lowerdir=/l,upperdir=/u").contains("without workdir"));
    assert!(whole("lowerdir=/l,workdir=/w").contains("without upperdir"));
    assert!(whole("lowerdir=/l,lowerdir+=/m").contains("lowerdir and lowerdir+"));
    assert!(whole("lowerdir=/l:/m:/l").contains(r#""/l" is given as one lower directory"#));
    assert!(whole("lowerdir=/l,upperdir=/l,workdir=/w").contains("and as upperdir"));
    assert!(whole("lowerdir=/w,upperdir=/l,workdir=/w").contains("and as workdir"));
    assert!(whole("lowerdir=/l,upperdir=/u,workdir=/u").contains("upperdir and as workdir"));
    for (list, expected) in [
        ("squash_to_root,squash_to_uid=1", "squash_to_root is given with"),
        ("squash_to_root,squash_to_gid=1", "squash_to_root is given with"),
        ("volatile,fsync=1", "volatile and fsync=1"),
        ("allow_other,allow_root", "allow_other and allow_root"),
        ("metacopy=on,redirect_dir=off", "metacopy=on needs"),
        ("threaded=0,max_threads=2", "one thread"),
        ("uidmapping=0:1000:5:3:2000:1", "overlap"),
        ("gidmapping=0:1000:5:9:1004:1", "overlap"),
    ] {
        let error = refusal(list);
        assert!(error.contains(expected), "{list}: {error}");
    }
    let error = request(&["-s", "-o", "lowerdir=/l,threaded=1", "/mnt"]).unwrap_err();
    assert!(error.to_string().contains("-s and threaded=1"));
}

#[test]
fn values_that_are_none_are_refused() {
    for list in [
        "timeout=soon",
        "timeout=-1",
        "threaded=2",
        "threaded=",
        "fsync=yes",
        "writeback=on",
        "noxattrs=2",
        "xattr_permissions=3",
        "redirect_dir=maybe",
        "metacopy=1",
        "index=auto",
        "xino=1",
        "squash_to_uid=-1",
        "squash_to_uid=root",
        "squash_to_gid=4294967295",
        "max_threads=0",
        "max_read=-1",
        "uidmapping=0:0",
        "lowerdir=",
        "lowerdir=/a:",
        "lowerdir=/a::/b",
        "upperdir=",
        "lowerdir=/a://plugin/data/path",
    ] {
        let error = with(list).expect_err(list);
        assert!(matches!(error, UsageError::Value { .. }), "{list}: {error}");
    }
    assert_eq!(with("verity=off,nfs_export=off"), with(""));
    assert!(refusal("verity=require").contains("checked by the kernel's overlay only"));
    assert!(refusal("nfs_export=on").contains("must be off"));
    assert!(refusal("lowerdir=//p/d/l").contains("plugin of fuse-overlayfs"));
    assert!(refusal("timeout").contains("timeout needs a value: timeout=SECONDS"));
    assert!(refusal("volatile=1").contains("volatile takes no value"));
}

#[test]
fn an_unknown_option_is_refused_with_the_nearest_one() {
    for (given, nearest) in [
        ("uperdir=/x", "upperdir"),
        ("lower_dir=/x", "lowerdir"),
        ("squash_to_roto", "squash_to_root"),
        ("no_atime", "noatime"),
        ("splice-read", "splice_read"),
    ] {
        let error = refusal(given);
        assert!(error.contains(&format!("did you mean {nearest}?")), "{given}: {error}");
    }
    assert!(!refusal("quite_another_thing").contains("did you mean"));
    assert!(refusal("LOWERDIR=/x").starts_with("unknown option \"LOWERDIR\""));
}

#[test]
fn each_option_is_in_one_table_and_taken_as_it_says() {
    let all: Vec<&str> = names().chain(REFUSED.iter().map(|(name, _)| *name)).collect();
    let once: HashSet<&str> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "an option is in two places");
    for (name, reason) in NO_EFFECT {
        let expected = [(*name, *reason)];
        assert_eq!(with(&format!("{name},{name}=1")).unwrap().without_effect, expected);
    }
    for name in FOR_MOUNT {
        assert_eq!(with(&format!("{name},{name}=1")), with(""), "{name}");
    }
    for (name, reason) in REFUSED {
        assert!(refusal(&format!("{name}=1")).ends_with(reason), "{name}");
    }
}

#[test]
fn every_option_is_in_the_help_and_in_the_document() {
    let document = include_str!("../../../docs/fuse-overlay.md");
    let help = help();
    for name in names() {
        assert!(help.contains(&format!(" {name}")), "{name} isn't in --help");
    }
    for name in names().chain(REFUSED.iter().map(|(name, _)| *name)) {
        let mentioned =
            [" ", "=", "`", "["].iter().any(|end| document.contains(&format!("`{name}{end}")));
        assert!(mentioned, "`{name}` isn't in docs/fuse-overlay.md");
    }
}

#[test]
fn messages_are_one_line() {
    let errors = [
        request(&["--no-such"]),
        request(&["-o"]),
        request(&["-o", "lowerdir=/a\n,x\ny", "/m"]),
        request(&["-o", "lowerdir=/a,timeout=1\n", "/m"]),
        request(&["-o", "context=\"a\n", "/m"]),
        request(&["a", "b", "c\nd"]),
    ];
    for error in errors {
        let error = error.unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.is_empty());
    }
}

proptest! {
    #[test]
    fn whatever_is_given_there_is_an_answer(list in proptest::collection::vec(any::<u8>(), 0..80)) {
        let args = ["-o".into(), OsString::from_vec(list), "/mnt".into()];
        if let Err(error) = parse(args.into_iter()) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn paths_come_through_escapes(
        path in proptest::collection::vec(1..=255u8, 1..30)
    ) {
        let escaped = path.iter().flat_map(|b| match b {
            b'\\' | b',' | b':' => vec![b'\\', *b],
            _ => vec![*b],
        });
        let list: Vec<u8> = b"lowerdir=".iter().copied().chain(escaped).collect();
        prop_assume!(!path.starts_with(b"//") && !path.starts_with(b"\""));
        let args = ["-o".into(), OsString::from_vec(list), "/mnt".into()];
        let Ok(Request::Mount(options)) = parse(args.into_iter()) else { panic!("refused") };
        prop_assert_eq!(&options.lowers, &[PathBuf::from(OsString::from_vec(path))]);
    }
}
