//! Options, names and values.

use super::watched::{IMAGE, Watched};

#[test]
fn command_lines_that_cannot_be_understood_are_refused() {
    let watched = Watched::on("overlay2");
    let rows: [(&[&str], i32, &str); 14] = [
        (&["histroy"], 2, "a similar subcommand exists: 'history'"),
        (&["images", "--nothing"], 2, "see `sapwood images --help`"),
        (&["images", "--format", "xml"], 2, "[possible values: table, json]"),
        (&["run"], 125, "<IMAGE>; see `sapwood run --help`"),
        (&["run", "--nothing", IMAGE], 125, "'--nothing'"),
        (&["run", "-d", IMAGE], 125, "there is no option `-d`: containers run in the foreground"),
        (&["run", "-p", "80:80", IMAGE], 125, "there is no option `-p`"),
        (&["run", "--memory", "much", IMAGE], 125, "\"much\" isn't a size"),
        (&["pull", "busybox"], 2, "skopeo copy"),
        (&["ps", "-f", "x=y"], 2, "there are name=, id=, label= and status="),
        (&["load", "-i"], 2, "'--input <FILE>'"),
        (&["--log-level", "loud", "ps"], 2, "\"debug\""),
        (&["--log-format", "xml", "ps"], 2, "json"),
        (&["storage", "lss"], 2, "see `sapwood storage --help`"),
    ];
    for (args, status, words) in rows {
        watched.refuses(args, status, words);
    }
}

#[test]
fn unknown_drivers_and_options_are_refused() {
    let watched = Watched::on("overlay2");
    for (args, words) in [
        (["--storage-opt", "overlay2.nothing=on"], "there is no storage option"),
        (["--storage-opt", "overlay2.metacopy"], "NAME=VALUE"),
        (["--storage-opt", "overlay2.metacopy=much"], "overlay2.metacopy"),
        (["--config", "/nonexistent"], "can't read the configuration file /nonexistent"),
        (["--config", "/"], "can't read the configuration file /"),
        (["--config", "/etc/passwd"], "/etc/passwd: line 1: "),
    ] {
        watched.refuses(&[args[0], args[1], "images"], 1, words);
        watched.refuses(&[args[0], args[1], "run", IMAGE, "true"], 125, words);
    }
    for (command, status) in [("images", 1), ("run", 125)] {
        let mut unknown = watched.sapwood.command_on("zfs");
        unknown.args([command, IMAGE]);
        watched.refuses_command(
            &mut unknown,
            status,
            "there is no storage driver \"zfs\" (asked for by --storage-driver); there are",
        );
    }
}

#[test]
fn what_is_not_there_or_taken_is_refused() {
    let watched = Watched::on("overlay2");
    let none = "0".repeat(64);
    let rows: [(&[&str], i32, &str); 17] = [
        (&["run", "nothing"], 125, "no such image: nothing; `sapwood images` lists"),
        (&["run", &none], 125, "no such image"),
        (&["run", "UPPER"], 125, "lower case"),
        (&["run", "--name", "taken", IMAGE], 125, "the name taken is in use by the container"),
        (&["run", "--name", "a/b", IMAGE], 125, "--name \"a/b\""),
        (&["run", "-it", IMAGE], 125, "--tty: standard input isn't a terminal"),
        (&["run", "-u", "nobody2", IMAGE], 125, "/etc/passwd has no user \"nobody2\""),
        (&["run", "-v", "/etc:relative", IMAGE], 125, "relative"),
        (&["run", "--network", "bridge", IMAGE], 125, "only 'none' and 'host'"),
        (&["run", IMAGE, "nosuch"], 127, "nosuch: no such command in the container"),
        (&["rm", "nothing"], 1, "no such container: nothing"),
        (&["rmi", "nothing"], 1, "no such image: nothing"),
        (&["rmi", IMAGE], 1, "remove the container first, or use -f"),
        (&["tag", IMAGE, "UPPER:1"], 1, "\"UPPER:1\" can't name an image"),
        (&["inspect", IMAGE, "nothing"], 1, "no such image: nothing"),
        (&["storage", "changes", "nothing"], 1, "`sapwood storage ls` lists them"),
        (&["storage", "unmount", "/mnt"], 1, "nothing of overlay2 is mounted on /mnt"),
    ];
    for (args, status, words) in rows {
        let mut args = args.to_vec();
        if args[0] == "run" {
            args.insert(1, "--rm");
        }
        watched.refuses(&args, status, words);
    }
}

/// Among the ids of nodes, `init-1-ID` and `ID` are found by their beginnings.
#[test]
fn the_beginning_of_several_ids_is_refused_with_what_it_fits() {
    let watched = Watched::on("overlay2");
    let ids = watched.sapwood.ok(["storage", "ls", "-q"]);
    let container = watched.sapwood.ok(["ps", "-aq", "--no-trunc"]);
    let (container, layer) = (container.trim(), ids.lines().find(|id| !id.contains('-')).unwrap());
    assert!(ids.contains(container) && !layer.is_empty());
    watched.refuses(&["storage", "changes", ""], 1, "there is no node \"\"");
    watched.sapwood.ok(["storage", "changes", &container[..12]]);

    // Two images of which one letter is the beginning: among 17 there must be.
    let sapwood = &watched.sapwood;
    let folder = sapwood.scratch().join("empty.tar");
    tar::Builder::new(std::fs::File::create(&folder).unwrap()).finish().unwrap();
    let mut firsts = std::collections::HashSet::new();
    let twice = (0..17).find_map(|n| {
        let message = format!("number {n}");
        let id = sapwood.ok(["import", "-q", "-m", &message, folder.to_str().unwrap()]);
        let first = id.trim_start_matches("sha256:")[..1].to_owned();
        (!firsts.insert(first.clone())).then_some(first)
    });
    let (status, said) = sapwood.fails(["run", "--rm", &twice.unwrap()]);
    assert_eq!(status, 125);
    assert!(said.contains("is ambiguous: it fits") && said.contains("give more of it"), "{said}");
}
