//! The folders, whose they are, and who may work in them.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::error::{Failure, Kind, OrFail, Result};

use super::process::{self, Finished};

/// The lock file's name.
const LOCK: &str = "pg.lock";
/// The server user's folder.
const SERVER: &str = "pg";
/// Making and starting takes seconds; after a crash the server may have much to recover.
const LOCK_LIMIT: Duration = Duration::from_mins(3);
/// Whoever waits this long for the lock is told what for.
const LOCK_NOTICE: Duration = Duration::from_secs(1);
/// Small helpers (`id`, `sh -c cd …`) are done at once.
const HELPER_LIMIT: Duration = Duration::from_secs(20);

/// The user that the server runs as, where that is another one than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ServerUser {
    uid: u32,
    gid: u32,
}

/// NEWS_HOME as a home of the private PostgreSQL.
#[derive(Debug)]
pub struct Home {
    home: PathBuf,
    user: Option<ServerUser>,
}

/// Held while somebody makes, starts or stops the server; released when dropped, or when this process ends.
#[derive(Debug)]
pub struct HomeLock(#[expect(dead_code, reason = "open is locked")] File);

impl Home {
    /// Returns the place if there is one already; changes nothing.
    pub fn look(home: &Path) -> Result<Option<Self>> {
        let server = home.join(SERVER);
        let meta = match fs::symlink_metadata(&server) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).or_fail(Kind::Usage, format!("cannot look at {}", server.display())),
        };
        check_home(home)?;
        let (us, owner) = (geteuid(), meta.uid());
        let user = match owner {
            _ if !meta.is_dir() => {
                return Err(Failure::new(Kind::Usage, format!("{} is not a directory", server.display())));
            }
            _ if us.as_raw() == owner && !us.is_root() => None,
            1.. if us.is_root() => Some(ServerUser { uid: owner, gid: meta.gid() }),
            // Begun by root, and ended before it had its owner.
            0 if us.is_root() => return Ok(None),
            _ => return Err(foreign(&server, owner)),
        };
        Ok(Some(Self { home: home.to_owned(), user }))
    }

    /// Makes the folders where they are missing.
    ///
    /// Fails with [`Kind::Usage`] where the server's user could not work there.
    pub fn prepare(home: &Path) -> Result<Self> {
        prepare_home(home)?;
        if let Some(place) = Self::look(home)? {
            place.open_the_way()?;
            return Ok(place);
        }
        let user = if geteuid().is_root() { Some(unprivileged_user()?) } else { None };
        let place = Self { home: home.to_owned(), user };
        place.open_the_way()?;
        let _lock = place.lock()?;
        let server = place.server_folder();
        let context = || format!("cannot make {}", server.display());
        match DirBuilder::new().mode(0o700).create(&server) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).or_fail(Kind::Output, context());
            }
            Ok(()) | Err(_) => {}
        }
        if let Some(user) = user {
            // What is there may be another process's, made just now: the same owner then.
            std::os::unix::fs::lchown(&server, Some(user.uid), Some(user.gid)).or_fail(Kind::Output, context())?;
        }
        Ok(place)
    }

    /// Returns the server user's folder.
    pub fn server_folder(&self) -> PathBuf {
        self.home.join(SERVER)
    }

    /// Returns NEWS_HOME.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the server user's id.
    pub fn server_uid(&self) -> u32 {
        self.user.map_or_else(|| geteuid().as_raw(), |user| user.uid)
    }

    /// Waits for the lock, bounded.
    pub fn lock(&self) -> Result<HomeLock> {
        let path = self.home.join(LOCK);
        let context = || format!("cannot lock {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow());
        let file = options.open(&path).or_fail(Kind::Output, context())?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(HomeLock(file)),
                Err(TryLockError::Error(error)) => return Err(error).or_fail(Kind::Output, context()),
                Err(TryLockError::WouldBlock) => {}
            }
            if start.elapsed() > LOCK_LIMIT {
                return Err(Failure::new(
                    Kind::Database,
                    format!("another process holds {} for too long", path.display()),
                )
                .hint("it makes, starts or stops the private PostgreSQL; end it if it hangs"));
            }
            if start.elapsed() > LOCK_NOTICE && !told {
                told = true;
                log::info!("waiting for another process that makes, starts or stops the private PostgreSQL");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns a command that runs as the server's user in its folder, with a clean environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("LC_ALL", "C").env("PATH", process::path()).current_dir(self.server_folder());
        for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(user) = self.user {
            // std drops the supplementary groups, too, when root sets the uid.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Runs a script of /bin/sh as the server's user in its folder; `$1` is `argument`.
    pub fn shell(&self, script: &str, argument: &Path, input: &str) -> Result<Finished> {
        let mut command = self.command("/bin/sh");
        command.args(["-c", script, "sh"]).arg(argument);
        process::run(&mut command, input, HELPER_LIMIT)
            .or_fail(Kind::Database, "cannot run /bin/sh as the server's user")
    }

    /// Sees to it that the server's user reaches its folder: HOME lets that user's group
    /// pass (and no more), if HOME is ours alone. The folders above it are not ours to open.
    fn open_the_way(&self) -> Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        if reaches(user, &self.home)? {
            return Ok(());
        }
        if self.home.parent().is_none_or(|parent| reaches(user, parent).unwrap_or(false)) && is_ours_alone(&self.home) {
            let context = || format!("cannot let the server's user pass {}", self.home.display());
            std::os::unix::fs::chown(&self.home, None, Some(user.gid)).or_fail(Kind::Output, context())?;
            fs::set_permissions(&self.home, Permissions::from_mode(0o710)).or_fail(Kind::Output, context())?;
            if reaches(user, &self.home)? {
                return Ok(());
            }
        }
        let mut closed: &Path = &self.home;
        for folder in self.home.ancestors() {
            if !reaches(user, folder)? {
                closed = folder;
            }
        }
        Err(Failure::new(
            Kind::Usage,
            format!(
                "the private PostgreSQL runs as uid {} when root starts it, and {} is closed to that user",
                user.uid,
                closed.display()
            ),
        )
        .hint("unset NEWS_HOME (root's is then /var/lib/news), or set it to a folder in one that all users may pass"))
    }
}

/// Makes `home`, and checks that it is ours.
pub fn prepare_home(home: &Path) -> Result<()> {
    let context = || format!("cannot make {}", home.display());
    // It goes into PostgreSQL's settings, which are lines of text.
    if home.to_str().is_none_or(|text| text.contains(char::is_control)) {
        return Err(Failure::new(Kind::Usage, format!("NEWS_HOME is not plain text: {}", home.display())));
    }
    let mut missing: Vec<&Path> = home.ancestors().take_while(|folder| !folder.exists()).collect();
    while let Some(folder) = missing.pop() {
        let made = DirBuilder::new().mode(0o700).create(folder).and_then(|()| {
            // As root: the server's user passes what leads there, whatever the umask says.
            if folder != home && geteuid().is_root() {
                fs::set_permissions(folder, Permissions::from_mode(0o711))?;
            }
            Ok(())
        });
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).or_fail(Kind::Output, context()).map_err(|failure| {
                    failure.hint(
                        "name a database with NEWS_DATABASE_URL, or set NEWS_HOME to a folder that this user may write to",
                    )
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
    check_home(home)
}

fn check_home(home: &Path) -> Result<()> {
    let meta = fs::metadata(home).or_fail(Kind::Usage, format!("cannot look at {}", home.display()))?;
    if !meta.is_dir() {
        return Err(Failure::new(Kind::Usage, format!("{} is not a directory", home.display())));
    }
    if meta.uid() != geteuid().as_raw() {
        return Err(foreign(home, meta.uid()));
    }
    if meta.mode() & 0o002 != 0 {
        return Err(Failure::new(Kind::Usage, format!("everybody may write to {}", home.display()))
            .hint("set NEWS_HOME to a folder of your own"));
    }
    Ok(())
}

fn foreign(folder: &Path, owner: u32) -> Failure {
    let us = geteuid().as_raw();
    Failure::new(Kind::Usage, format!("{} belongs to uid {owner}, and this is uid {us}", folder.display()))
        .hint("run news as that user, or set NEWS_HOME to a folder of your own")
}

/// Says whether HOME may be opened for the server's user: nobody passes it so far, and
/// there is nothing in it but ours, so it is not, say, somebody's whole home folder.
fn is_ours_alone(home: &Path) -> bool {
    let closed = fs::metadata(home).is_ok_and(|meta| is_closed(&meta) || meta.mode() & 0o777 == 0o710);
    let mut entries = fs::read_dir(home).into_iter().flatten().flatten();
    closed && (home.join(LOCK).exists() || entries.all(|entry| entry.file_name() == super::secret::JWT_SECRET))
}

/// Says whether `user` may pass `folder`: asks the kernel, which knows of ACLs and mounts, too.
fn reaches(user: ServerUser, folder: &Path) -> Result<bool> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder).current_dir("/").uid(user.uid).gid(user.gid);
    let answer = process::run(&mut command, "", HELPER_LIMIT);
    Ok(answer
        .or_fail(Kind::Database, format!("cannot become uid {}, which the server is to run as", user.uid))?
        .success)
}

/// Finds the user for a server that root starts: PostgreSQL refuses to run as root.
fn unprivileged_user() -> Result<ServerUser> {
    let id = |flag: &str, user: &str| -> Option<u32> {
        let answer =
            process::run(Command::new("id").args([flag, user]).env("PATH", process::path()), "", HELPER_LIMIT).ok()?;
        answer.stdout.trim().parse().ok().filter(|&id| id != 0)
    };
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some(ServerUser { uid: id("-u", user)?, gid: id("-g", user)? }))
        .ok_or_else(|| {
            Failure::new(
                Kind::Usage,
                "PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody`",
            )
            .hint("run news as another user, or name a database")
        })
}

/// Says whether group and others may do nothing at all.
pub fn is_closed(meta: &fs::Metadata) -> bool {
    meta.permissions().mode().trailing_zeros() >= 6
}

/// The flags for opening a file where a link must not lead elsewhere, nor a pipe make us wait.
pub fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}
