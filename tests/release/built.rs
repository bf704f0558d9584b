//! The files of a built release, in the directory that PROCESS_WRAPPER_RELEASE names. `.ci/long
//! release` builds them.
//!
//! Owns what a user of the files relies on. It never builds anything.

use std::path::PathBuf;
use std::process::Command;

use crate::support::peers;
use crate::{root, script, stdout};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn release() -> Option<PathBuf> {
    let folder = std::env::var_os("PROCESS_WRAPPER_RELEASE").map(PathBuf::from);
    if folder.is_none() {
        peers::absent("PROCESS_WRAPPER_RELEASE, the directory of a built release,");
    }
    folder
}

/// Runs a shell script in the directory of the release.
fn shell(text: &str) -> Option<String> {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", text, "bash", VERSION])
        .current_dir(release()?)
        .output();
    Some(stdout(&output.unwrap()))
}

#[test]
fn checksums_cover_every_file_of_the_list() {
    let Some(sums) = shell("sha256sum --quiet --strict -c SHA256SUMS; cat SHA256SUMS") else {
        return;
    };
    let list = stdout(&script("release", &["--list"]));
    for name in list.lines().filter(|name| *name != "SHA256SUMS") {
        assert!(
            sums.lines()
                .any(|line| line.ends_with(&format!("  {name}"))),
            "{name}:\n{sums}"
        );
    }
}

/// With the public key that PROCESS_WRAPPER_RELEASE_KEY names.
#[test]
fn every_file_has_a_signature_that_verifies() {
    if release().is_none() {
        return;
    }
    if std::env::var_os("PROCESS_WRAPPER_RELEASE_KEY").is_none() {
        peers::absent("PROCESS_WRAPPER_RELEASE_KEY, the public key of the release,");
        return;
    }
    let text = r#"
        for file in *; do
            case $file in *.minisig) continue ;; esac
            minisign -V -q -p "$PROCESS_WRAPPER_RELEASE_KEY" -m "$file"
            echo "$file"
        done
        cp SHA256SUMS "$TMPDIR/forged" && echo >>"$TMPDIR/forged"
        ! minisign -V -q -p "$PROCESS_WRAPPER_RELEASE_KEY" -m "$TMPDIR/forged" -x SHA256SUMS.minisig 2>&1
    "#;
    let folder = tempfile::tempdir().unwrap();
    let text = format!("TMPDIR={}\n{text}", folder.path().display());
    let verified = shell(&text).unwrap();
    let list = stdout(&script("release", &["--list"]));
    for name in list.lines() {
        assert!(
            verified.lines().any(|line| line == name),
            "{name}: {verified}"
        );
    }
}

#[test]
fn an_archive_has_the_binary_its_manual_completions_and_licences() {
    let text = r#"
        for arch in x86_64 aarch64; do
            tar -tvzf "process-wrapper-$1-$arch-unknown-linux-musl.tar.gz" | sed "s|^|$arch |"
        done
    "#;
    let Some(list) = shell(text) else { return };
    for arch in ["x86_64", "aarch64"] {
        for file in [
            "process-wrapper",
            "LICENSE",
            "THIRD-PARTY-LICENSES.txt",
            "README.md",
            "CHANGELOG.md",
            "man/process-wrapper.1",
            "man/process-wrapper-run.1",
            "completions/process-wrapper.bash",
            "completions/process-wrapper.zsh",
            "completions/process-wrapper.fish",
        ] {
            let name = format!("/{file}");
            let line = list
                .lines()
                .find(|line| line.starts_with(arch) && line.ends_with(&name));
            let line = line.unwrap_or_else(|| panic!("{arch}: {file}\n{list}"));
            assert!(line.contains(" 0/0 "), "owner: {line}");
            let mode = if file == "process-wrapper" {
                "-rwxr-xr-x"
            } else {
                "-rw-r--r--"
            };
            assert!(line.contains(mode), "{line}");
        }
    }
}

#[test]
fn licences_name_every_library_of_the_binary() {
    let text = "cat THIRD-PARTY-LICENSES.txt";
    let Some(licences) = shell(text) else { return };
    for library in ["h2", "rustls", "ring", "smol", "surf", "webpki-roots"] {
        let entry = format!("\n  {library} ");
        assert!(licences.contains(&entry), "{library}");
    }
    // Escaped HTML would change the text of a licence.
    assert!(!licences.contains("&quot;") && !licences.contains("&#x27;"));
    // Tools of the build are in no binary.
    assert!(!licences.contains("\n  protox "));
}

#[test]
fn every_binary_is_static_and_lists_its_dependencies() {
    let text = r#"
        work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
        for arch in x86_64 aarch64; do
            tar -xzf "process-wrapper-$1-$arch-unknown-linux-musl.tar.gz" -C "$work"
            file=$work/process-wrapper-$1-$arch-unknown-linux-musl/process-wrapper
            readelf -hl "$file" | grep -E 'Machine|INTERP|GNU_RELRO' || true
            # A path of the machine that built it.
            ! strings "$file" | grep -E '^/(root|home|tmp|work)/.+/|/\.cargo/' || exit 1
            readelf -SW "$file" | awk '{ for (i = 1; i <= NF; i++) if ($i == ".dep-v0") print $(i + 3), $(i + 4) }' |
                { read -r offset size
                python3 -c 'import json, sys, zlib
file, offset, size = sys.argv[1], int(sys.argv[2], 16), int(sys.argv[3], 16)
data = zlib.decompress(open(file, "rb").read()[offset:offset + size])
print(*sorted({p["name"] for p in json.loads(data)["packages"] if p.get("kind", "runtime") == "runtime"}))' "$file" "$offset" "$size"; }
        done
    "#;
    let Some(text) = shell(text) else { return };
    assert!(
        text.contains("X86-64") && text.contains("AArch64"),
        "{text}"
    );
    assert!(!text.contains("INTERP"), "{text}");
    assert_eq!(text.matches("GNU_RELRO").count(), 2, "{text}");
    let lists: Vec<_> = text.lines().filter(|line| line.contains(" h2 ")).collect();
    assert_eq!(lists.len(), 2, "{text}");
    for list in lists {
        assert!(list.contains(" process-wrapper ") && list.contains(" rustls "));
    }
}

#[test]
fn the_list_of_components_and_the_provenance_describe_the_files() {
    let Some(folder) = release() else { return };
    let read = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    for arch in ["x86_64", "aarch64"] {
        let list = read(&format!(
            "process-wrapper-{VERSION}-{arch}-unknown-linux-musl.cdx.json"
        ));
        assert_eq!(list["bomFormat"], "CycloneDX");
        let components = list["components"].as_array().unwrap();
        let names: Vec<_> = components.iter().map(|c| &c["name"]).collect();
        assert!(names.iter().any(|name| *name == "h2"), "{names:?}");
        assert!(!names.iter().any(|name| *name == "protox"), "{names:?}");
    }
    let provenance = read("provenance.intoto.json");
    assert_eq!(
        provenance["predicateType"],
        "https://slsa.dev/provenance/v1"
    );
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let subjects = provenance["subject"].as_array().unwrap();
    assert!(subjects.len() >= 10, "{subjects:?}");
    for subject in subjects {
        let (name, digest) = (&subject["name"], &subject["digest"]["sha256"]);
        let line = format!("{}  {}", digest.as_str().unwrap(), name.as_str().unwrap());
        assert!(sums.lines().any(|sum| sum == line), "{line}");
    }
    let commit = &provenance["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"];
    let head = Command::new("git")
        .args(["-c", "safe.directory=*", "rev-parse", "HEAD"])
        .current_dir(root())
        .output();
    assert_eq!(commit["gitCommit"], stdout(&head.unwrap()).trim());
}

#[test]
fn lintian_accepts_every_deb() {
    if release().is_none() || peers::find("lintian").is_none() {
        return;
    }
    let text = "lintian --allow-root --fail-on error,warning --no-tag-display-limit *.deb";
    let text = shell(text).unwrap();
    assert!(!text.contains("E: ") && !text.contains("W: "), "{text}");
}

#[test]
fn rpmlint_accepts_every_rpm() {
    if release().is_none() || peers::find("rpmlint").is_none() {
        return;
    }
    let text = format!(
        "rpmlint --ignore-unused-rpmlintrc --rpmlintrc {} *.rpm",
        root().join("packaging/dist/rpmlintrc").display()
    );
    let text = shell(&text).unwrap();
    assert!(text.contains(" 0 errors, 0 warnings"), "{text}");
}

#[test]
fn the_image_runs_as_an_unprivileged_user() {
    if release().is_none() || peers::find("podman").is_none() {
        return;
    }
    let text = r#"
        image=$(podman load --quiet --input "process-wrapper-$1-oci.tar" | sed 's/^Loaded image: //')
        trap 'podman rmi --force "$image" >/dev/null' EXIT
        podman image inspect --format '{{.Config.User}} {{index .Labels "org.opencontainers.image.version"}}' "$image"
        ${CONTAINER_RUNTIME:+env} podman ${CONTAINER_RUNTIME:+--runtime "$CONTAINER_RUNTIME"} run --rm --network=none --read-only \
            --cap-drop=ALL --ulimit nofile=1024:4096 --ulimit nproc=1024:4096 "$image" run \
            --listen unix:/run/process-wrapper/control.sock --exit-when-gone always -- /process-wrapper -V
    "#;
    let text = shell(text).unwrap();
    assert!(text.contains(&format!("65532:65532 {VERSION}\n")), "{text}");
    assert!(
        text.contains(&format!("process-wrapper {VERSION}")),
        "{text}"
    );
}

/// The root file system is the one that .ci/run installs for tests/systemd.
#[test]
fn packages_are_upgraded_in_a_drain_and_their_removal_waits_for_the_jobs() {
    let Some(folder) = release() else { return };
    let image = peers::tools().join("systemd/root.tar");
    if !image.exists() {
        peers::missing(&format!("{}, a root with systemd,", image.display()));
        return;
    }
    let output = Command::new(root().join("tests/release/installed.sh"))
        .args([&folder, &image])
        .output();
    let text = stdout(&output.unwrap());
    assert!(
        text.ends_with("the packages were installed, upgraded and removed\n"),
        "{text}"
    );
}
