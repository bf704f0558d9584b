#!/usr/bin/env bash
# The packages of a release on a machine whose PID 1 is systemd: installed, upgraded in a drain, and
# removed, which waits for the jobs.
#
#   installed.sh RELEASE-DIRECTORY ROOT.tar
#
# ROOT.tar is a Debian root file system with systemd. Needs root, podman, and rpm. Ends with the line
# "the packages were installed, upgraded and removed".
set -euo pipefail
release=$(realpath "$1") root=$(realpath "$2")
unit=process-wrapper-runner.service options=/etc/default/process-wrapper-runner
name=process-wrapper-packages-$$ image=localhost/process-wrapper-packages:$$
scratch=$(mktemp -d)
podman=(podman)
[ ! -x /usr/sbin/runc ] || podman+=(--runtime /usr/sbin/runc)
trap 'podman rm --force --time 0 --ignore "$name" >/dev/null; podman rmi --force "$image" >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT

fail() { printf 'installed.sh: %s\n' "$*" >&2; "${podman[@]}" exec "$name" journalctl --output=cat --lines=50 >&2 || true; exit 1; }
on() { "${podman[@]}" exec "$name" "$@"; }
property() { on systemctl show --value --property "$1" "$unit"; }
# Waits for a command to succeed: there is no event for it.
eventually() {
    local end=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "did not happen: $*"
        sleep 0.1
    done
}
has_state() { [ "$(property ActiveState)" = "$1" ]; }
# How often a runner has said this.
says() { [ "$(on journalctl --output=cat | grep -c "^stub .* $1" || true)" = "$2" ]; }
booted() {
    # systemctl fails for degraded: some other unit does not start on this kernel.
    case $(on systemctl is-system-running || true) in running | degraded) ;; *) return 1 ;; esac
}

# One job, which ends with USR1.
cat >"$scratch/gitlab-runner" <<'STUB'
#!/bin/sh
say() { echo "stub $$ $*"; }
trap 'say draining' QUIT
trap 'say aborted; exit 1' TERM INT
trap 'say drained; exit 0' USR1
say started
while :; do sleep 1 & wait $!; done
STUB
chmod 755 "$scratch/gitlab-runner"
podman import "$root" "$image" >/dev/null 2>&1
# A machine without CAP_SYS_RESOURCE may not raise limits to podman's defaults.
"${podman[@]}" run --detach --rm --timeout 300 --name "$name" --privileged --systemd=always --network=none \
    --ulimit nofile=1024:4096 --ulimit nproc=1024:4096 "$image" /sbin/init >/dev/null
eventually booted
podman cp "$scratch/gitlab-runner" "$name:/usr/bin/gitlab-runner"
podman cp "$scratch/gitlab-runner" "$name:/usr/local/bin/gitlab-runner"
podman cp "$(printf '%s\n' "$release"/*_amd64.deb)" "$name:/root/old.deb"
# The same with a later version.
on sh -euc "cd /root; dpkg-deb -R old.deb tree; sed -i 's/^Version: .*/Version: 99-1/' tree/DEBIAN/control
    dpkg-deb --root-owner-group -b tree new.deb >/dev/null; userdel gitlab-runner 2>/dev/null || true
    dpkg -i old.deb; echo '# mine' >>$options"
[ "$(property ActiveState) $(property UnitFileState)" = 'inactive disabled' ] || fail 'the installation started or enabled the service'
[ "$(on stat -c %U:%a /var/lib/gitlab-runner)" = gitlab-runner:750 ] || fail "the runner's directory is not its own"

on systemctl start "$unit"
wrapper=$(property MainPID)
[ "$(on stat -c %U:%a /var/lib/gitlab-runner)" = gitlab-runner:750 ] || fail "the start took the runner's directory from its user"
on nsenter --mount --target "$wrapper" -- runuser -u gitlab-runner -- mkdir /var/lib/gitlab-runner/builds || fail 'jobs cannot write'
on systemctl stop --no-block "$unit"
eventually says draining 1
on sh -c 'dpkg -i /root/new.deb </dev/null'
[ "$(property ActiveState) $(property MainPID)" = "deactivating $wrapper" ] || fail 'the upgrade disturbed the drain'
[ "$(on tail -n 1 $options)" = '# mine' ] || fail 'the upgrade lost a changed option'
on pkill -USR1 -f '^/bin/sh /usr/(local/)?bin/gitlab-runner'
eventually has_state inactive
[ "$(property Result)" = success ] || fail "the drain ended as $(property Result)"

on sh -euc "mkdir /etc/process-wrapper; printf '%s\n' PROCESS_WRAPPER_REWRITE_SIGNAL=TERM:QUIT \
    'COMMAND=/usr/local/bin/gitlab-runner' >/etc/process-wrapper/builds.env"
on systemctl start "$unit"
on systemctl enable --quiet --now process-wrapper@builds
eventually says started 3
on dpkg --remove process-wrapper &
removal=$!
eventually says draining 3
kill -0 $removal || fail 'the removal did not wait for the job'
on test -e /usr/bin/process-wrapper || fail 'the removal took the program of a running service'
on pkill -USR1 -f '^/bin/sh /usr/(local/)?bin/gitlab-runner'
wait $removal
says aborted 0 && says drained 3 || fail 'a job was aborted'
on sh -c '! find /etc/systemd/system -name "process-wrapper*" | grep .' || fail 'the removal left a unit enabled'
on sh -euc "test ! -e /usr/bin/process-wrapper; test -e $options; dpkg --purge process-wrapper; test ! -e $options; id gitlab-runner"

# The .rpm, in a root without a running systemd and without /proc.
mkdir "$scratch/root"
tar -xf "$root" -C "$scratch/root"
rpm=(rpm --root "$scratch/root")
package=$(printf '%s\n' "$release"/*.x86_64.rpm)
"${rpm[@]}" --initdb
"${rpm[@]}" -i --nodeps "$package" 2>"$scratch/rpm.log" || fail "$(cat "$scratch/rpm.log")"
! grep -i 'scriptlet failed' "$scratch/rpm.log" || fail 'a script of the .rpm failed'
chroot "$scratch/root" sh -euc "process-wrapper -V; test -d /var/lib/gitlab-runner; id gitlab-runner; echo '# mine' >>$options"
"${rpm[@]}" -U --force --nodeps "$package" 2>/dev/null
[ "$(tail -n 1 "$scratch/root$options")" = '# mine' ] || fail 'the upgrade of the .rpm lost a changed option'
"${rpm[@]}" -e process-wrapper 2>/dev/null
[ ! -e "$scratch/root/usr/bin/process-wrapper" ] || fail 'the .rpm was not removed'
echo 'the packages were installed, upgraded and removed'
