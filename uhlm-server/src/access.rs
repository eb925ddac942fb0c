//! The tokens that are let in, which may change while the server runs.
//!
//! Decides which tokens hold now: those of the settings and those of a file, which is read again when it has changed or
//! when the operator asks for it. A file that cannot be used leaves the tokens as they are.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use crate::auth::{AuthError, Tokens, Unknown};
use crate::owner::Owner;

/// The tokens that hold now.
#[derive(Debug)]
pub(crate) struct Access {
    /// Tokens of the settings.
    fixed: Tokens,
    file: Option<PathBuf>,
    /// Whether a label after a token tells apart the devices that share it.
    labels: bool,
    current: RwLock<Arc<Tokens>>,
    /// Time of the file's last change at the last attempt to read it; `None` if it is not known or there is no file.
    seen: Mutex<Option<SystemTime>>,
}

impl Access {
    /// Reads the file, if there is one.
    pub(crate) fn new(fixed: Tokens, file: Option<PathBuf>, labels: bool) -> Result<Self, AuthError> {
        let seen = Mutex::new(file.as_deref().and_then(modified));
        let current = RwLock::new(Arc::new(all(&fixed, file.as_deref())?));
        Ok(Self { fixed, file, labels, current, seen })
    }

    /// Returns the tokens that hold now.
    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the owner for whom a request is done.
    pub(crate) fn admit(&self, authorization: Option<&[u8]>, peer: IpAddr) -> Result<Owner, Unknown> {
        self.tokens().admit(authorization, peer, self.labels)
    }

    /// Reads the file again, if it has changed or `at_once`. Returns whether it was read.
    pub(crate) fn reload(&self, at_once: bool) -> Result<bool, AuthError> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = modified(file);
        if !at_once && *seen == changed {
            return Ok(false);
        }
        *seen = changed;
        let tokens = Arc::new(all(&self.fixed, Some(file))?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(true)
    }
}

fn all(fixed: &Tokens, file: Option<&Path>) -> Result<Tokens, AuthError> {
    Ok(match file {
        Some(file) => fixed.clone().and(Tokens::read(file)?),
        None => fixed.clone(),
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: &str = "0123456789abcdef";
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_file_is_read_again_and_one_that_is_broken_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tokens");
        std::fs::write(&file, "first-token-of-all\n").expect("written");
        let fixed = Tokens::new([FIXED]).expect("valid");
        let access = Access::new(fixed, Some(file.clone()), false).expect("readable");
        let is_let_in = |token: &str| access.admit(Some(format!("Bearer {token}").as_bytes()), PEER).is_ok();
        assert!(is_let_in("first-token-of-all") && is_let_in(FIXED));
        assert!(matches!(access.reload(false), Ok(false)), "nothing has changed");
        std::fs::write(&file, "second-token-of-all\n").expect("written");
        assert!(matches!(access.reload(true), Ok(true)));
        assert!(is_let_in("second-token-of-all") && is_let_in(FIXED) && !is_let_in("first-token-of-all"));
        std::fs::write(&file, "short\n").expect("written");
        assert!(access.reload(true).is_err());
        assert!(is_let_in("second-token-of-all"));
    }
}
