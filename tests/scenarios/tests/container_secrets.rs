//! The API key as containers mount it: a Kubernetes secret is taken as it comes; one of Docker Compose, which all
//! of the container may read, is refused, and the hint says what to write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{chown, symlink, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use scenarios::health::check;
use scenarios::Stack;
use simulator::DEV_API_KEY;

/// `false`, and said: only root makes files of root.
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    if !root {
        eprintln!("not tried: this is not root");
    }
    root
}

/// A file of root's, with the server's group, in a folder like the one that a container sees.
fn mounted(stack: &Stack, mode: u32) -> PathBuf {
    let data = fs::metadata(stack.db.cluster().dir().join("data")).expect("the data directory");
    let folder = stack.db.cluster().dir().join(format!("{}/run/secrets", stack.db.name()));
    fs::create_dir_all(&folder).expect("the folder");
    let file = folder.join("cometchat_api_key");
    fs::write(&file, DEV_API_KEY).expect("the key");
    chown(&file, Some(0), Some(data.gid())).expect("chown");
    fs::set_permissions(&file, Permissions::from_mode(mode)).expect("chmod");
    file
}

fn use_file(stack: &Stack, file: &Path) {
    stack.db.set("cometchat.api_key_file", file.to_str());
}

#[test]
fn a_secret_of_kubernetes_is_taken_as_it_is_mounted() {
    let stack = Stack::new();
    if !is_root() {
        return;
    }
    // ..data is a link to the folder of the present version, and the key a link through it.
    let file = mounted(&stack, 0o440);
    let mount = file.parent().expect("a folder").join("mount");
    fs::create_dir_all(mount.join("..2026_11_29")).expect("a version");
    fs::rename(&file, mount.join("..2026_11_29/api_key")).expect("the key");
    symlink("..2026_11_29", mount.join("..data")).expect("the present version");
    symlink("..data/api_key", mount.join("api_key")).expect("the key's name");
    use_file(&stack, &mount.join("api_key"));
    let said = check(&stack.db, "configuration");
    assert!(said.ok, "{said:?}");
}

#[test]
fn a_secret_of_compose_that_all_may_read_is_refused_and_the_hint_says_what_to_write() {
    let stack = Stack::new();
    if !is_root() {
        return;
    }
    let file = mounted(&stack, 0o444);
    use_file(&stack, &file);
    let said = check(&stack.db, "configuration");
    assert!(
        !said.ok && said.detail.ends_with("api_key_file has group or world access"),
        "{said:?}"
    );
    let lines: Vec<&str> = said.hint.lines().collect();
    assert!(lines[1].ends_with("chown UID FILE && chmod 0400 FILE"), "{said:?}");
    let service = "secrets: [{source: cometchat_api_key, uid: \"UID\", mode: 0400}]";
    assert!(lines[2].ends_with(service), "{said:?}");

    // What either of these makes of it.
    let data = fs::metadata(stack.db.cluster().dir().join("data")).expect("the data directory");
    chown(&file, Some(data.uid()), None).expect("chown");
    fs::set_permissions(&file, Permissions::from_mode(0o400)).expect("chmod");
    let said = check(&stack.db, "configuration");
    assert!(said.ok, "{said:?}");
}
