//! Which file it is, whatever it is called.

/// Device and inode. Two names (a link, a relative path, a bind mount) of one file have one identity. While a descriptor of the
/// file is open no other file gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) device: libc::dev_t,
    pub(super) inode: libc::ino_t,
}

/// What a name leads to.
pub(super) struct Found {
    pub(super) identity: Identity,
    pub(super) is_regular: bool,
}
