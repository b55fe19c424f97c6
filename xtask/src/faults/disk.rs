//! Disks that are full: a small file system of our own, which takes root to mount.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::scene::OUT;
use crate::signal::{FILE_PENDING, NOTHING_STORED, Signal, Told};
use crate::trial::{Trial, not_run};

/// How long Syncline may take to be in step on it.
const CALM: Duration = Duration::from_secs(90);

/// How large the file system is: the store of 1,000 services, and some room.
const SIZE: &str = "size=96m";

/// The state folder has no room. Nothing is removed that nobody could remember; what was stored is still there after it.
pub(crate) async fn state(trial: &mut Trial) -> anyhow::Result<()> {
    let folder = trial.scene.syncline.folder().join("state");
    trial.scene.syncline.process().kill().await?;
    let disk = SmallDisk::under(&folder).await?;
    trial.scene.syncline.start()?;
    trial.until("in step", CALM, Told::is_calm).await?;
    let held = fill_and_heal(trial, &disk, NOTHING_STORED).await;
    trial.scene.syncline.process().kill().await?;
    disk.end().await?;
    trial.scene.syncline.start()?;
    held
}

/// The folder of the file has no room: readers keep the old one, whole.
pub(crate) async fn output(trial: &mut Trial) -> anyhow::Result<()> {
    let folder = trial.scene.syncline.folder().join(OUT);
    trial.scene.load.rest().await?;
    trial.scene.until_equal(CALM).await?;
    trial.scene.reader.look_away(true).await;
    let disk = SmallDisk::under(&folder).await?;
    trial.scene.reader.look_away(false).await;
    trial.scene.load.go();
    let held = fill_and_heal(trial, &disk, FILE_PENDING).await;
    trial.scene.reader.look_away(true).await;
    disk.end().await?;
    trial.scene.reader.look_away(false).await;
    held
}

async fn fill_and_heal(trial: &mut Trial, disk: &SmallDisk, signal: Signal) -> anyhow::Result<()> {
    let filler = disk.fill()?;
    trial.inject();
    let signalled = trial.signal(signal).await;
    trial.lasts(30).await;
    std::fs::remove_file(&filler).context("make room again")?;
    trial.heal();
    // Before the small disk goes, which is none of the fault.
    trial.converge().await?;
    signalled
}

/// A small file system in the place of a folder, with what was in it.
struct SmallDisk {
    folder: PathBuf,
    aside: PathBuf,
}

impl SmallDisk {
    async fn under(folder: &Path) -> anyhow::Result<Self> {
        let disk = Self {
            folder: folder.to_owned(),
            aside: folder.with_extension("aside"),
        };
        run("cp", &["-a", path(&disk.folder)?, path(&disk.aside)?]).await?;
        let mounted = run(
            "mount",
            &["-t", "tmpfs", "-o", SIZE, "tmpfs", path(folder)?],
        )
        .await;
        mounted.map_err(|_| not_run("takes the right to mount a small file system"))?;
        let from = format!("{}/.", path(&disk.aside)?);
        run("cp", &["-a", &from, path(folder)?]).await?;
        Ok(disk)
    }

    /// Fills it to the last byte, with a file that can be removed again.
    fn fill(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("filler");
        let mut filler = File::create(&path).context("make a file that fills the disk")?;
        // Ever smaller pieces, until none fits.
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while filler.write_all(&piece).is_ok() {}
        }
        Ok(path)
    }

    /// Puts what is in it back onto the large disk.
    async fn end(self) -> anyhow::Result<()> {
        let (folder, aside) = (path(&self.folder)?, path(&self.aside)?);
        run("rm", &["-rf", aside]).await?;
        run("cp", &["-a", folder, aside]).await?;
        run("umount", &[folder]).await?;
        std::fs::remove_dir_all(folder).context("remove what was before")?;
        std::fs::rename(aside, folder).context("put back what is now")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Where it was not ended in good order, or was: an unmount too many is refused.
        let mut umount = std::process::Command::new("umount");
        umount.args(["--lazy", "--quiet"]).arg(&self.folder);
        umount.stderr(std::process::Stdio::null()).status().ok();
    }
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}

async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    let output = command.args(arguments).output().await;
    let output = output.with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(())
}
