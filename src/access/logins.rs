//! Failed logins, counted by address: each is answered later than the one before, and after some the address is locked out.
//!
//! One table for all sessions, so that many connections at once find out no more than one. Bounded: whoever has more
//! addresses than it has room for pushes out his own oldest. A right login clears its address: a host with one mistyped job
//! must not be locked out between those that work.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered at one time.
const ADDRESSES_MAX: usize = 4096;
/// How long the answer to the first failed login takes; each further one twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// But no longer than this: DMAs give up after a minute.
const LAST_DELAY: Duration = Duration::from_secs(8);

/// When an address is locked out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginRules {
    /// So many failed logins in a row, at least 1.
    pub failed_max: u32,
    /// How long nobody can log in from there. Failed logins are forgotten after the same time.
    pub lockout: Duration,
}

impl Default for LoginRules {
    /// Ten; five minutes.
    fn default() -> Self {
        Self { failed_max: 10, lockout: Duration::from_secs(300) }
    }
}

/// What a failed login comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// How many there were from this address, this one included.
    pub failed: u32,
    /// How long its answer is kept back.
    pub delay: Duration,
    /// Whether the address is locked out now.
    pub is_locked_out: bool,
}

/// An address that is locked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedOut {
    /// The address; of IPv6 the network of 64 bits, since a host has as many addresses of it as it likes.
    pub address: IpAddr,
    /// Failed logins.
    pub failed: u32,
    /// For how long still.
    pub left: Duration,
}

/// The failed logins of all addresses.
#[derive(Debug, Default)]
pub struct FailedLogins(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Since the start, all addresses.
    failed: u64,
    of: HashMap<IpAddr, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failed: u32,
    last: Instant,
    locked_until: Option<Instant>,
}

impl Count {
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.locked_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

impl FailedLogins {
    /// For how long nobody may log in from there; `None` if anybody may.
    pub fn locked_out(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        self.lock().of.get(&source(address))?.left(now)
    }

    /// A login from there has failed.
    pub fn failed(&self, address: IpAddr, rules: LoginRules, now: Instant) -> Failure {
        let mut counts = self.lock();
        counts.failed += 1;
        let source = source(address);
        let before = counts.of.get(&source).copied();
        let is_past = |count: &Count| {
            let is_old = now.saturating_duration_since(count.last) > rules.lockout;
            let is_served = count.locked_until.is_some_and(|until| until <= now);
            is_old || is_served
        };
        let before = before.filter(|count| !is_past(count));
        let failed = before.map_or(0, |count| count.failed).saturating_add(1);
        let is_locked_out = failed >= rules.failed_max;
        let locked_until = is_locked_out.then(|| now + rules.lockout);
        if before.is_none() {
            counts.make_room(now);
        }
        counts.of.insert(source, Count { failed, last: now, locked_until });
        Failure { failed, delay: delay(failed), is_locked_out }
    }

    /// A login from there was right: what failed before is forgotten.
    pub fn succeeded(&self, address: IpAddr) {
        self.lock().of.remove(&source(address));
    }

    /// Lets everybody try again.
    pub fn forget(&self) {
        self.lock().of.clear();
    }

    /// Failed logins since the start.
    pub fn total(&self) -> u64 {
        self.lock().failed
    }

    /// Who is locked out, by address.
    pub fn all_locked_out(&self, now: Instant) -> Vec<LockedOut> {
        let counts = self.lock();
        let locked = |(address, count): (&IpAddr, &Count)| {
            Some(LockedOut { address: *address, failed: count.failed, left: count.left(now)? })
        };
        let mut all: Vec<LockedOut> = counts.of.iter().filter_map(locked).collect();
        all.sort_by_key(|locked| locked.address);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Room for one more: whoever is not locked out goes first, the longest silent of them.
    fn make_room(&mut self, now: Instant) {
        if self.of.len() < ADDRESSES_MAX {
            return;
        }
        let oldest = self.of.iter().min_by_key(|(_, count)| (count.left(now).is_some(), count.last));
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.of.remove(&address);
        }
    }
}

/// How long the answer to that many failed logins in a row is kept back.
fn delay(failed: u32) -> Duration {
    let factor = 1_u32.checked_shl(failed.saturating_sub(1)).filter(|factor| *factor <= 1 << 8);
    factor.map_or(LAST_DELAY, |factor| (FIRST_DELAY * factor).min(LAST_DELAY))
}

/// What is counted as one address.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: LoginRules = LoginRules { failed_max: 3, lockout: Duration::from_secs(60) };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_failure_is_answered_later_and_the_last_one_locks_out() {
        let (logins, now) = (FailedLogins::default(), Instant::now());
        let told: Vec<(Duration, bool)> = (0..3)
            .map(|_| logins.failed(ip("192.0.2.1"), RULES, now))
            .map(|failure| (failure.delay, failure.is_locked_out))
            .collect();
        let milliseconds = Duration::from_millis;
        assert_eq!(
            told,
            [(milliseconds(250), false), (milliseconds(500), false), (milliseconds(1000), true)]
        );
        assert_eq!(logins.locked_out(ip("192.0.2.1"), now), Some(RULES.lockout));
        assert_eq!(logins.locked_out(ip("::ffff:192.0.2.1"), now), Some(RULES.lockout), "the same host");
        assert_eq!(logins.locked_out(ip("192.0.2.2"), now), None, "another is not");
        assert_eq!(logins.locked_out(ip("192.0.2.1"), now + RULES.lockout), None, "it is over");
        let again = logins.failed(ip("192.0.2.1"), RULES, now + RULES.lockout);
        assert_eq!((again.failed, again.is_locked_out), (1, false), "counted from the beginning");
        assert_eq!(logins.total(), 4);
    }

    #[test]
    fn what_failed_is_forgotten_after_a_right_login_after_a_while_and_when_told_to() {
        let (logins, now) = (FailedLogins::default(), Instant::now());
        let fail = |at| logins.failed(ip("192.0.2.1"), RULES, at).failed;
        assert_eq!((fail(now), fail(now)), (1, 2));
        logins.succeeded(ip("192.0.2.1"));
        assert_eq!((fail(now), fail(now)), (1, 2));
        assert_eq!(fail(now + RULES.lockout + Duration::from_secs(1)), 1);
        fail(now + RULES.lockout);
        fail(now + RULES.lockout);
        assert_eq!(logins.all_locked_out(now).len(), 1);
        logins.forget();
        assert_eq!(logins.all_locked_out(now), []);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (logins, now) = (FailedLogins::default(), Instant::now());
        for host in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"] {
            logins.failed(ip(host), RULES, now);
        }
        assert!(logins.locked_out(ip("2001:db8::77"), now).is_some());
        assert!(logins.locked_out(ip("2001:db8:0:1::77"), now).is_none());
        let locked = logins.all_locked_out(now);
        assert_eq!((locked[0].address, locked[0].failed), (ip("2001:db8::"), 3));
    }

    #[test]
    fn the_table_is_bounded_and_a_flood_of_addresses_unlocks_nobody() {
        let (logins, now) = (FailedLogins::default(), Instant::now());
        for _ in 0..3 {
            logins.failed(ip("192.0.2.1"), RULES, now);
        }
        for number in 0..3 * u32::try_from(ADDRESSES_MAX).unwrap() {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
            logins.failed(address.into(), RULES, now + Duration::from_millis(number.into()));
        }
        assert_eq!(logins.lock().of.len(), ADDRESSES_MAX);
        assert!(logins.locked_out(ip("192.0.2.1"), now + Duration::from_secs(30)).is_some());
    }

    proptest! {
        #[test]
        fn delays_grow_and_end(failed: u32) {
            prop_assert!(delay(failed) <= LAST_DELAY);
            prop_assert!(delay(failed) >= delay(failed.saturating_sub(1)));
        }
    }
}
