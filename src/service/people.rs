//! Adding users with their passwords, and hashing.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::json;
use tokio::sync::oneshot;

use super::app::{App, Argon2Cost};
use super::caller::Caller;
use crate::domain::access::{Permission, Role};
use crate::domain::error::{Error, Result};
use crate::domain::user::{Status, User, part_of_name};
use crate::domain::{org, password};
use crate::store::main::users::{self, NewUser};

/// How long a password waits for its turn to be hashed: past that a flood of logins is told to come back.
const HASHING_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
/// How many passwords wait for their turn; further ones are told to come back at once.
pub const HASHING_QUEUE: usize = 32;
/// By how much threads that hash give way to those that serve requests: as far as can be.
const HASHING_NICENESS: i32 = 19;

/// A user as the operator asks for one.
#[derive(Debug)]
pub struct UserRequest {
    /// The e-mail.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The role.
    pub role: Role,
    /// The password in the clear; hashed at once.
    pub password: zeroize::Zeroizing<String>,
}

impl App {
    /// Adds a user to the caller's organisation.
    pub async fn create_user(&self, caller: &Caller, request: UserRequest) -> Result<User> {
        caller.require(Permission::UsersManage)?;
        caller.require_all(request.role.permissions())?;
        caller.require_home()?;
        let new = self.prepare_user(request).await?;
        let (caller, email) = (caller.clone(), new.email.clone());
        self.store
            .write(move |tx| {
                let id = users::create(tx, caller.org(), &new, caller.at)?;
                caller.record(tx, "user.create", &id.prefixed(), None, Some(described(&new)))
            })
            .await?;
        self.store
            .read_now(|db| Ok(users::find_by_email(db, &email)?))?
            .ok_or_else(|| Error::not_found::<crate::domain::id::User>(email))
    }

    /// Checks a request and hashes its password.
    pub(super) async fn prepare_user(&self, request: UserRequest) -> Result<NewUser> {
        let email = org::email(&request.email)?;
        let first_name = part_of_name("first_name", &request.first_name)?;
        let last_name = part_of_name("last_name", &request.last_name)?;
        password::check(&request.password, &email)
            .map_err(|weakness| Error::field("password", weakness.to_string()))?;
        let password = self.hash_password(request.password).await?;
        Ok(NewUser {
            uuid: self.entropy.uuid(self.clock.now()),
            email,
            first_name,
            last_name,
            role: request.role,
            status: Status::Active,
            password,
        })
    }

    /// The argon2id hash of a password, made on a thread of its own, while one core is left to others.
    pub(super) async fn hash_password(&self, password: zeroize::Zeroizing<String>) -> Result<String> {
        let cost = self.settings.argon2;
        let salt: [u8; 16] = self.entropy.bytes();
        self.hashing(move || {
            let hash = hasher(cost)?.hash_password_with_salt(password.as_bytes(), &salt).map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether a password is the one of a hash. Takes as long when there is no hash.
    pub(super) async fn password_matches(
        &self,
        password: zeroize::Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool> {
        let cost = self.settings.argon2;
        self.hashing(move || {
            let Some(hash) = hash else {
                let _ = hasher(cost)?.hash_password_with_salt(password.as_bytes(), &[0; 16]);
                return Ok(false);
            };
            let parsed = PasswordHash::new(&hash).map_err(Error::internal)?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        })
        .await
    }

    /// A thread for each hash costs a thousandth of it, and unlike a shared one it can give way to requests: nobody may
    /// raise a priority again.
    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _place = self.hashing_places.try_acquire().map_err(|_| Error::Overloaded)?;
        let turn = tokio::time::timeout(HASHING_PATIENCE, self.hashing.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Error::Overloaded)?.map_err(Error::internal)?;
        let app = self.clone();
        let (reply, answer) = oneshot::channel();
        let thread = std::thread::Builder::new().name("hash".into());
        let started = thread.spawn(move || {
            // The permit lives in the thread: a client that leaves does not free it early.
            let _turn = turn;
            if let Err(error) = rustix::process::nice(HASHING_NICENESS) {
                tracing::debug!(%error, "passwords are hashed at the priority of requests");
            }
            // Who left does not hear it.
            let _ = reply.send(app.effort.hash(work));
        });
        started.map_err(|error| {
            tracing::error!(%error, "no thread can be had to hash a password");
            Error::Overloaded
        })?;
        answer.await.map_err(Error::internal)?
    }
}

fn hasher(cost: Argon2Cost) -> Result<Argon2<'static>> {
    let params =
        Params::new(cost.memory_kib, cost.iterations, 1, None).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn described(new: &NewUser) -> serde_json::Value {
    json!({"email": new.email, "role": new.role.as_str(), "first_name": new.first_name, "last_name": new.last_name})
}
