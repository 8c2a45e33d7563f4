//! Every other option of `run`, as seen from inside; `ps` and `rm`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::{Host, IMAGE};

#[test]
fn environment() {
    let host = Host::new();
    let file = host.sapwood.scratch().join("env");
    fs::write(&file, "# note\nFROM_FILE=1\nBOTH=file\n").unwrap();
    let mut command = host.command(&["--rm", "--env-file", file.to_str().unwrap(), "-h", "box"]);
    command.args(["-e", "BOTH=flag", "-e", "MINE", "-e", "ABSENT", IMAGE, "env"]);
    command.env("MINE", "caller").env_remove("ABSENT");
    let mut lines: Vec<_> = support::finish(command).stdout.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "BOTH=flag",
            "FROM_FILE=1",
            "HOME=/root",
            "HOSTNAME=box",
            "MINE=caller",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    );
}

#[test]
fn who_where_and_what() {
    let host = Host::new();
    assert_eq!(host.sh(&["-u", "daemon"], "id -un; id -G; echo $HOME"), "daemon\n1\n/usr/sbin\n");
    assert_eq!(host.sh(&["-u", "7:8"], "id -u; id -g; id -G"), "7\n8\n8\n");
    assert_eq!(host.sh(&["-w", "/made/for/it"], "pwd; stat -c %u:%a ."), "/made/for/it\n0:755\n");
    let ran = host.run(&["--entrypoint", "echo"], &["a", "b"]);
    assert_eq!(ran.stdout, "a b\n");
    assert_eq!(host.sh(&["-h", "box"], "hostname; cat /etc/hostname"), "box\nbox\n");
    let id = host.sh(&[], "hostname");
    assert!(id.trim().len() == 12 && id.trim().bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
}

#[test]
fn names_on_the_network() {
    let host = Host::new();
    let flags = ["--add-host", "db:10.1.2.3", "--dns", "9.9.9.9"];
    let files = host.sh(&flags, "tail -n 1 /etc/hosts; grep nameserver /etc/resolv.conf");
    assert_eq!(files, "10.1.2.3\tdb\nnameserver 9.9.9.9\n");
    let interfaces = host.sh(&["--network", "host"], "ls /sys/class/net");
    let own = fs::read_dir("/sys/class/net").unwrap().count();
    assert_eq!(interfaces.lines().count(), own);
    // Without a capability, in a network of its own.
    host.sh(&["--cap-drop", "ALL", "-u", "1000"], "timeout 1 nc -l -p 80; test $? = 143");
}

#[test]
fn files() {
    let host = Host::new();
    let folder = host.folder("shared");
    fs::write(folder.join("given"), "from the host\n").unwrap();
    let at = |options: &str| format!("{}:/data{options}", folder.display());

    assert_eq!(
        host.sh(&["-v", &at("")], "cat /data/given; echo x > /data/made"),
        "from the host\n"
    );
    assert_eq!(fs::read_to_string(folder.join("made")).unwrap(), "x\n");
    assert_eq!(host.run(&["-v", &at(":ro")], &["touch", "/data/no"]).status, 1);
    let one = format!("{}:/etc/given:ro", folder.join("given").display());
    assert_eq!(host.sh(&["-v", &one], "cat /etc/given"), "from the host\n");
    let new = host.sapwood.scratch().join("made/by/volume");
    host.sh(&["-v", &format!("{}:/new", new.display())], "touch /new/x");
    assert!(new.join("x").is_file());
    let mount = format!("type=bind,src={},dst=/m,readonly", folder.display());
    assert_eq!(host.run(&["--mount", &mount], &["touch", "/m/no"]).status, 1);

    let ran = host.run(
        &["--read-only", "--tmpfs", "/t:size=64k,mode=700"],
        &[
            "sh",
            "-c",
            "touch /x; touch /etc/hosts; touch /t/ok && stat -c %a /t && df -k /t | tail -1",
        ],
    );
    assert_eq!(ran.stderr.lines().filter(|l| l.contains("Read-only")).count(), 2, "{ran:?}");
    assert!(ran.stdout.starts_with("700\n") && ran.stdout.contains(" 64 "), "{ran:?}");
    let flags = ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m", "--shm-size", "2m"];
    let sizes = host.sh(&flags, "df -k /t /dev/shm | awk 'NR>1{print $2}'");
    assert_eq!(sizes, "1024\n2048\n");
}

#[test]
fn what_is_written_stays_in_its_container() {
    let host = Host::new();
    host.sh(&[], "echo mine > /only; rm /bin/vi");
    assert_eq!(host.sh(&[], "test ! -e /only && test -e /bin/vi && echo clean"), "clean\n");
}

#[test]
fn an_init_reaps_orphans() {
    let host = Host::new();
    let zombies = "(sh -c 'sleep 0.1 & exit' &); sleep 0.5; ps -o stat | grep -c Z";
    assert_eq!(host.sh(&["--init"], &format!("cat /proc/1/comm; {zombies} || true")), "init\n0\n");
}

#[test]
fn containers_are_listed_and_removed() {
    let host = Host::new();
    let words = ["run", "--name", "first", "-l", "tier=web", IMAGE, "sh", "-c", "exit 3"];
    assert_eq!(host.sapwood.output(words).status.code(), Some(3));
    host.sapwood.ok(["run", "--name", "second", IMAGE, "true"]);

    let all = host.containers();
    let names: Vec<_> = all.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["second", "first"], "the newest first");
    let first = host.container("first").unwrap();
    assert_eq!(first["exit_status"], 3);
    assert_eq!(first["status"], "exited");
    assert_eq!(first["image"], IMAGE);
    assert_eq!(first["command"], serde_json::json!(["sh", "-c", "exit 3"]));
    assert_eq!(first["labels"]["tier"], "web");
    assert_eq!(host.sapwood.ok(["ps", "-q"]), "", "none is running");

    let listed = |filter: &str| host.sapwood.ok(["ps", "-aq", "--no-trunc", "--filter", filter]);
    let id = first["id"].as_str().unwrap();
    for filter in ["label=tier", "label=tier=web", "name=irs", "status=exited", "id=0"] {
        let expected = match filter {
            "status=exited" => 2,
            "id=0" => all.iter().filter(|c| c["id"].as_str().unwrap().starts_with('0')).count(),
            _ => 1,
        };
        assert_eq!(listed(filter).lines().count(), expected, "{filter}");
    }
    assert_eq!(listed("label=tier").trim(), id);

    let (status, said) = host.sapwood.fails(["rm", "nothing"]);
    assert_eq!((status, said.contains("nothing")), (1, true), "{said}");
    assert_eq!(host.sapwood.ok(["rm", &id[..20], "second"]), format!("{}\nsecond\n", &id[..20]));
    assert_eq!(host.containers().len(), 0);
}

#[test]
fn a_running_container_is_removed_only_by_force() {
    let host = Host::new();
    let mut command = host.command(&["--name", "runs"]);
    let mut child = command.args([IMAGE, "sleep", "600"]).spawn().unwrap();
    let pid = host.wait_for("runs");
    assert_eq!(host.container("runs").unwrap()["status"], "running");
    let (status, said) = host.sapwood.fails(["rm", "runs"]);
    assert_eq!((status, said.contains("runs")), (1, true), "{said}");
    assert_eq!(host.sapwood.ok(["rm", "-f", "runs"]), "runs\n");
    assert!(!support::is_alive(pid));
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(host.containers().len(), 0);
}

#[test]
fn an_image_in_use_is_not_lost() {
    let host = Host::new();
    host.sapwood.ok(["run", "--name", "user", IMAGE, "true"]);
    let (status, _) = host.sapwood.fails(["rmi", IMAGE]);
    assert_ne!(status, 0);
    host.sapwood.ok(["rmi", "-f", IMAGE]);
    let nodes = || match host.sapwood.json(["storage", "ls", "--format", "json"]) {
        serde_json::Value::Array(nodes) => nodes.len(),
        other => panic!("a list, not {other}"),
    };
    assert!(nodes() > 0, "the container keeps its layers");
    host.sapwood.ok(["rm", "user"]);
    assert_eq!(nodes(), 0, "and the last one that needs them takes them along");
}
