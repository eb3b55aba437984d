//! Which file it is, whatever it is called.

/// Device and inode. Two names (a link, a relative path, a bind mount) of one file have one identity. While a descriptor of the
/// file is open no other file gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: libc::dev_t,
    inode: libc::ino_t,
}

impl Identity {
    pub(super) fn of(stat: &libc::stat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino }
    }
}
