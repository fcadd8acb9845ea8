//! Released versions, and how they and the present one are put into a copy of PostgreSQL, as packages do it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{major, root, run};
use crate::PgCopy;

/// A released version: its install script, and its library where that can be built.
pub struct Release {
    version: String,
    script: PathBuf,
}

impl Release {
    /// All of them.
    #[track_caller]
    pub fn all() -> Vec<Release> {
        let folder = root().join("sql/released");
        let paths = fs::read_dir(folder)
            .expect("the released scripts")
            .map(|e| e.expect("an entry").path());
        let releases: Vec<Release> = paths
            .filter_map(|script| {
                let name = script.file_name()?.to_str()?;
                let version =
                    name.strip_prefix("cometchat_ext--")?.strip_suffix(".sql")?.to_owned();
                Some(Release { version, script })
            })
            .collect();
        assert!(!releases.is_empty(), "there is no released script");
        releases
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its own library, built once; `None` in a checkout without the commit of the release.
    pub fn library(&self) -> Option<PathBuf> {
        let mut build = Command::new("bash");
        let script = r#"source "$0/tools/lib.sh"; "$0/tools/released_library.sh" "$1" >&2
            printf %s "$CARGO_TARGET_DIR/released/$2/$1/cometchat_ext.so""#;
        build.args(["-euo", "pipefail", "-c", script]).arg(root()).args([&major(), &self.version]);
        let output = build.output().expect("start tools/released_library.sh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let library = PathBuf::from(String::from_utf8(output.stdout).expect("a path"));
        library.exists().then_some(library)
    }
}

impl PgCopy {
    /// Adds the install script of a released version: `CREATE EXTENSION … VERSION`.
    pub fn add_script(&self, release: &Release) {
        let to = self.extension_dir().join(release.script.file_name().expect("a name"));
        fs::copy(&release.script, to).expect("its script");
    }

    /// Makes the copy what it is once the package of that version is installed.
    pub fn install_release(&self, release: &Release, library: &Path) {
        self.add_script(release);
        self.replace_library(library);
        self.set_default_version(&release.version);
    }

    /// Installs the present version again, with its scripts.
    pub fn install_present(&self) {
        let mut find = Command::new("bash");
        let script = r#"source "$0/tools/lib.sh"; printf %s "$(pg_lib "$1")/cometchat_ext.so""#;
        let output = find.args(["-c", script]).arg(root()).arg(major()).output().expect("bash");
        self.replace_library(Path::new(std::str::from_utf8(&output.stdout).expect("a path")));
        self.set_default_version(env!("CARGO_PKG_VERSION"));
    }

    /// As packages do it: a server that has the old file loaded keeps it.
    fn replace_library(&self, with: &Path) {
        let fresh = self.library().with_extension("fresh");
        fs::copy(with, &fresh).expect("another library");
        run(Command::new("chmod").arg("a+rx").arg(&fresh));
        fs::rename(&fresh, self.library()).expect("replace it");
    }

    /// Makes a version the one that CREATE EXTENSION and ALTER EXTENSION UPDATE go to.
    pub fn set_default_version(&self, version: &str) {
        let path = self.extension_dir().join("cometchat_ext.control");
        let control = fs::read_to_string(&path).expect("the control file");
        let lines = control.lines().map(|line| match line.starts_with("default_version") {
            true => format!("default_version = '{version}'\n"),
            false => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).expect("the control file");
    }
}
