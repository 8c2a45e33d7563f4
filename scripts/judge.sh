#!/bin/bash
# Runs a foreign suite on a union, or compares two runs. What a suite needs is
# fetched and built outside the tree, once.
#
#   scripts/judge.sh SUITE SUBJECT     pjdfstest pjdfstest-c unionmount fsx stress-ng
#                                      kernel rival ours plain
#   scripts/judge.sh compare SUITE SUBJECT
#                                      what SUBJECT fails and the kernel passes
#
# Prints counts and the names that failed, and writes the same as JSON into
# ${XDG_CACHE_HOME:-~/.cache}/sapwood/judges/results. Ends with 0 if nothing
# failed and no lower layer was written, 1 if not, 3 if the suite can't be had.
set -euo pipefail
cd "$(dirname "$0")/.."

judges=${XDG_CACHE_HOME:-$HOME/.cache}/sapwood/judges
results=$judges/results
target=${CARGO_TARGET_DIR:-target}
ours=${SAPWOOD_FUSE_OVERLAY:-$target/debug/fuse-overlay}
options=${SAPWOOD_UNION_OPTIONS:-}
suites=" pjdfstest pjdfstest-c unionmount fsx stress-ng "

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

not_run() {
    echo "NOT RUN: $1" >&2
    exit 3
}

# The suite's sources, in a folder of their own: NAME, REPOSITORY. The
# repository may be a folder, too: SAPWOOD_JUDGES_SOURCES/NAME.git.
sources() {
    local from=https://github.com/$2
    if [[ -e ${SAPWOOD_JUDGES_SOURCES:-/nonexistent}/$1.git ]]; then
        from=$SAPWOOD_JUDGES_SOURCES/$1.git
    fi
    [[ -e $judges/src/$1/.fetched ]] && return
    rm -rf "$judges/src/$1"
    git clone --quiet "$from" "$judges/src/$1" || not_run "$1: $from can't be cloned"
    touch "$judges/src/$1/.fetched"
}

crate() {
    [[ -x $judges/$1/bin/$1 ]] ||
        cargo install --quiet --locked --version "$2" --root "$judges/$1" "$1" ||
        not_run "$1 $2 can't be installed with cargo"
}

get() {
    mkdir -p "$judges/src" "$results"
    case $suite in
        pjdfstest) crate pjdfstest 0.2.2 ;;
        fsx) crate fsx 0.3.2 ;;
        pjdfstest-c)
            sources pjdfstest-c pjd/pjdfstest
            [[ -x $judges/src/pjdfstest-c/pjdfstest ]] ||
                (cd "$judges/src/pjdfstest-c" && autoreconf -ifs && ./configure && make) \
                    > "$judges/src/pjdfstest-c.log" 2>&1 ||
                not_run "pjdfstest-c can't be built: $judges/src/pjdfstest-c.log; apt-get install autoconf automake gcc make"
            ;;
        unionmount) sources unionmount amir73il/unionmount-testsuite ;;
        stress-ng) type -P stress-ng > /dev/null || not_run "stress-ng is missing: apt-get install stress-ng" ;;
    esac
    case $subject in
        rival) type -P fuse-overlayfs > /dev/null || not_run "apt-get install fuse-overlayfs" ;;
        ours) [[ -x $ours ]] || not_run "$ours is missing: cargo build -p sapwood-fuse-overlay" ;;
    esac
}

# Everything there is to know of the lower layer, but times of access.
lower_hash() {
    (cd "$base/lower" &&
        find . -printf '%p %y %m %U %G %n %s %T@ %C@ %i %l\n' | sort &&
        find . -type f -print0 | sort -z | xargs -0r sha256sum &&
        getfattr -Rhd -m - . 2> /dev/null) | sha256sum
}

mount_union() {
    local layers=lowerdir=$base/lower,upperdir=$base/upper,workdir=$base/work
    case $subject in
        kernel) mount -t overlay overlay -o "$layers,redirect_dir=on,index=on,xino=auto" "$base/mnt" ;;
        rival) fuse-overlayfs -o "$layers${options:+,$options}" "$base/mnt" ;;
        ours) "$ours" -o "$layers${options:+,$options}" "$base/mnt" ;;
        plain) mount --bind "$base/upper" "$base/mnt" ;;
    esac
    mountpoint -q "$base/mnt" || not_run "$subject mounts nothing"
}

# Each suite writes a line for each case: "ok NAME", "not ok NAME", "skip NAME".
pjdfstest() {
    cat > "$base/pjdfstest.toml" <<- TOML
		[features]
		posix_fallocate = {}
		utimensat = {}
		utime_now = {}
		rename_ctime = {}
		[settings]
		naptime = 0.01
		allow_remount = false
		[dummy_auth]
		entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
	TOML
    mkdir -m 777 "$base/mnt/work"
    "$judges/pjdfstest/bin/pjdfstest" -c "$base/pjdfstest.toml" -p "$base/mnt/work" 2> /dev/null |
        sed -nE 's/^([a-z_0-9]+::[^ ]+) +ok$/ok \1/p; s/^([a-z_0-9]+::[^ ]+) +(FAILED|failed)$/not ok \1/p
            s/^([a-z_0-9]+::[^ ]+) +skipped$/skip \1/p' || true
}

# Its cases mostly wait for a clock to go on, so many run side by side.
pjdfstest_c() {
    local tests=$judges/src/pjdfstest-c/tests
    mkdir "$base/outcome"
    find "$tests" -name '*.t' -printf '%P\n' |
        xargs -P 16 -I{} bash -c 'pjdfstest_c_file "$@"' _ "$tests" {} "$base"
    cat "$base"/outcome/*
}

pjdfstest_c_file() {
    local name=${2//\//-}
    mkdir -m 777 "$3/mnt/$name"
    cd "$3/mnt/$name"
    { bash "$1/$2" 2> /dev/null || true; } |
        # What the suite itself calls a TODO of Linux is no failure, as prove(1) has it.
        sed -nE "s|^not ok ([0-9]+) # TODO.*|ok $2:\1|p; s|^(not )?ok ([0-9]+).*|\1ok $2:\2|p" \
            > "$3/outcome/$name"
}
export -f pjdfstest_c_file

unionmount() {
    local mode script=$base/unionmount
    flags=()
    cp -r "$judges/src/unionmount" "$script"
    case $subject in
        kernel) ;;
        rival) flags=(--fuse=fuse-overlayfs) ;;
        ours)
            # mount(8) finds the program by its name in the search path.
            mkdir "$base/bin"
            ln -s "$(realpath "$ours")" "$base/bin/fuse-overlay"
            export PATH=$base/bin:$PATH
            flags=(--fuse=fuse-overlay)
            ;;
        plain) not_run "unionmount judges unions" ;;
    esac
    umount "$base/mnt"
    mkdir "$base"/{ubase,ulower}
    for mode in --ov "--ov --verify" --ov=5 "--ov=5 --verify" \
        "--ov --samefs" "--ov --samefs --verify" "--ov=5 --samefs" "--ov=5 --samefs --verify"; do
        unionmount_mode "$mode"
    done
    mount_union
}

# Each test by itself, on fresh layers: the suite ends at the first that fails.
unionmount_mode() {
    local test words args tests=${SAPWOOD_UNIONMOUNT_TESTS:-}
    read -ra words <<< "$1"
    # The order of options is fixed: --ov, --fuse, --samefs, --verify.
    args=("${words[0]}" "${flags[@]}" "${words[@]:1}")
    [[ $tests ]] || tests="$(sed -n '/^tests = \[/,/\]/s/^ *"\(.*\)",\{0,1\}/\1/p' "$script/run")
        rename-dir rename-empty-dir rename-pop-dir rename-move-dir"
    for test in $tests; do
        mount -t tmpfs base "$base/ubase"
        mkdir "$base/ubase/m"
        export UNIONMOUNT_BASEDIR=$base/ubase UNIONMOUNT_MNTPOINT=$base/ubase/m
        unset UNIONMOUNT_LOWERDIR
        if [[ $1 != *--samefs* ]]; then
            mount -t tmpfs lower "$base/ulower"
            export UNIONMOUNT_LOWERDIR=$base/ulower
        fi
        if (cd "$script" && timeout 120 python3 ./run "${args[@]}" "$test" > "$base/unionmount.log" 2>&1); then
            echo "ok $1 $test"
        else
            echo "not ok $1 $test"
            { echo "== $1 $test"; tail -n 5 "$base/unionmount.log"; } >> "$results/$suite-$subject.log"
        fi
        for mount in "$base"/{ubase/m,ubase,ulower}; do
            while mountpoint -q "$mount"; do umount -l "$mount"; done
        done
    done
}

fsx() {
    local mode count=${SAPWOOD_FSX_OPERATIONS:-100000}
    # The files begin in the lower layer: the first open copies them up.
    for mode in buffered mapped everything; do
        case $mode in
            buffered) weights='mapread = 0
				mapwrite = 0' ;;
            mapped) weights='read = 1
				write = 1
				mapread = 10
				mapwrite = 10' ;;
            everything) weights='punch_hole = 2
				fsync = 1
				fdatasync = 1
				close_open = 2
				invalidate = 1
				sendfile = 2
				posix_fadvise = 1
				copy_file_range = 2
				posix_fallocate = 2' ;;
        esac
        printf '[weights]\n%s\n' "$weights" > "$base/fsx.toml"
        if "$judges/fsx/bin/fsx" -S 7 -N "$count" -f "$base/fsx.toml" -P "$base" \
            "$base/mnt/fsx-$mode" > "$results/$suite-$subject-$mode.log" 2>&1; then
            echo "ok $mode"
        else
            echo "not ok $mode"
        fi
    done
}

stress_ng() {
    local log=$results/$suite-$subject.log
    mkdir -m 777 "$base/mnt/work"
    stress-ng --class filesystem --sequential "${SAPWOOD_STRESS_WORKERS:-4}" --verify \
        --timeout "${SAPWOOD_STRESS_SECONDS:-5}" --temp-path "$base/mnt/work" > "$log" 2>&1 || true
    # What was started, failed or was skipped is named in lines of their own.
    sed -nE 's/^stress-ng: [a-z]+: +\[[0-9]+\] ([a-z0-9-]+): .*skipping stress.*/\1/p' "$log" | sort -u > "$base/skipped"
    sed 's/^/skip /' "$base/skipped"
    sed -nE 's/^stress-ng: fail: +\[[0-9]+\] ([a-z0-9-]+):.*/not ok \1/p' "$log" | sort -u
    sed -nE 's/.*dispatching hogs: (.*)/\1/p' "$log" | tr ',' '\n' | awk '{print $2}' | sort -u |
        comm -23 - "$base/skipped" | sed 's/^/ok /'
    grep -q 'run completed' "$log" || echo "not ok the-run-itself"
}

report() {
    local file=$results/$suite-$subject.json
    jq -Rn --arg suite "$suite" --arg subject "$subject" '
        [inputs | capture("^(?<state>ok|not ok|skip) (?<name>.*)$")] as $all
        | def named($s): [$all[] | select(.state == $s).name] | unique;
        {$suite, $subject, passed: (named("ok") - named("not ok") | length),
         failed: (named("not ok") | length), skipped: (named("skip") | length),
         failures: named("not ok"), passes: (named("ok") - named("not ok"))}' "$base/outcomes" > "$file"
    jq -r '.failures[] | "FAILED \(.)"' "$file"
    jq -r '"\(.suite) on \(.subject): \(.passed) passed, \(.failed) failed, \(.skipped) skipped"' "$file"
    [[ $(jq .passed "$file") -gt 0 && $(jq .failed "$file") -eq 0 ]]
}

run() {
    base=$(mktemp -d "${TMPDIR:-/tmp}/sapwood-judge-XXXXXX")
    trap 'cd /; for m in "$base/mnt" "$base"; do umount -l "$m" 2> /dev/null || true; done; rmdir "$base"' EXIT
    mount -t tmpfs -o size=4g,mode=755 layers "$base"
    # On a file system that lasts, if one is named.
    if [[ -n ${SAPWOOD_TEST_BACKING:-} ]]; then
        mkdir -p "$SAPWOOD_TEST_BACKING/judge" && mount --bind "$SAPWOOD_TEST_BACKING/judge" "$base"
    fi
    mkdir "$base"/{lower,upper,work,mnt}
    head -c 300000 /dev/urandom | tee "$base"/lower/fsx-{buffered,mapped,everything} > "$base/lower/f"
    mkdir -p "$base/lower/d/e"
    local before after ended=0
    before=$(lower_hash)
    : > "$results/$suite-$subject.log"
    mount_union
    "${suite//-/_}" > "$base/outcomes"
    umount "$base/mnt" || { echo "FAILED: $subject is still busy" >&2; ended=1; }
    after=$(lower_hash)
    report || ended=1
    [[ $before == "$after" ]] || { echo "FAILED: the lower layer was written" >&2; ended=1; }
    return $ended
}

compare() {
    local kernel=$results/$suite-kernel.json other=$results/$suite-$subject.json file
    for file in "$kernel" "$other"; do
        [[ -e $file ]] || { echo "$file is missing: run the suite first" >&2; exit 2; }
    done
    jq -rn --slurpfile k "$kernel" --slurpfile o "$other" '
        ($o[0].failures - ($o[0].failures - $k[0].passes)) as $worse
        | ($k[0].failures - ($k[0].failures - $o[0].passes)) as $better
        | ($worse[] | "WORSE \(.)"), ($better[] | "better \(.)"),
          "\($worse | length) fail that the kernel passes, \($better | length) pass that the kernel fails"'
    [[ $(jq -n --slurpfile k "$kernel" --slurpfile o "$other" \
        '$o[0].failures - ($o[0].failures - $k[0].passes) | length') -eq 0 ]]
}

[[ $# -ge 2 ]] || usage
if [[ $1 == compare ]]; then
    suite=$2 subject=${3:-ours}
else
    suite=$1 subject=$2
fi
[[ $suites == *" $suite "* && " kernel rival ours plain " == *" $subject "* ]] || usage
if [[ $1 == compare ]]; then
    compare
elif [[ ${SAPWOOD_JUDGE_INSIDE:-} != yes ]]; then
    [[ $(id -u) -eq 0 ]] || not_run "the judges of a union need root"
    get
    SAPWOOD_JUDGE_INSIDE=yes exec unshare -m --propagation private bash "$0" "$@"
else
    run
fi
