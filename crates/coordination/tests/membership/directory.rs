//! In a directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::{Member, behaves, share, stands_nonsense};

#[tokio::test]
async fn members_share_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    behaves(&format!("file://{}?membership_timeout=1.5", directory.path().display())).await;
}

/// The directory of the one group that there is.
fn group(directory: &Path) -> PathBuf {
    let mut groups = fs::read_dir(directory.join("nephoscope")).unwrap();
    groups.next().unwrap().unwrap().path()
}

#[tokio::test]
async fn nonsense_in_a_directory_is_left_out_or_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let url = format!("file://{}?membership_timeout=1.5", directory.display());
    // What is neither from the last seconds nor from the next is no member's.
    let first = Member::new(&url, "first");
    share(&[&first]).await;
    let group = group(directory);
    for (name, seen) in
        [("old", SystemTime::UNIX_EPOCH), ("from-the-future", SystemTime::now() + Duration::from_hours(25))]
    {
        let file = File::create(group.join(name)).unwrap();
        file.set_modified(seen).unwrap();
    }
    share(&[&first]).await;
    first.leave().await;

    let (place, aside) = (directory.join("nephoscope"), directory.join("aside"));
    fs::create_dir(&aside).unwrap();
    stands_nonsense(
        &url,
        "file",
        async || {
            // A member that shows just now that it is alive makes the directory anew.
            for number in 0.. {
                fs::rename(&place, aside.join(number.to_string())).unwrap();
                if fs::write(&place, "no directory").is_ok() {
                    break;
                }
            }
        },
        async || fs::remove_file(&place).unwrap(),
    )
    .await;
}
