//! A thread beside the caller's and the state that the two share: the lock, the waiting, and the end.
//!
//! Knows nothing of files. Whoever uses it keeps the state such that no panic leaves a change of it half done: a
//! poisoned lock is then as good as another one.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The thread. It is joined when this is dropped, which it learns from [`Shared::work`].
#[derive(Debug)]
pub(super) struct Worker<S> {
    name: &'static str,
    shared: Arc<Shared<S>>,
    thread: Option<JoinHandle<()>>,
}

/// The state of both.
#[derive(Debug, Default)]
pub(super) struct Shared<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

/// What is shared, and whether the thread is to end.
#[derive(Debug, Default)]
pub(super) struct State<S> {
    of_both: S,
    is_ending: bool,
}

impl<S> std::ops::Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.of_both
    }
}

impl<S> std::ops::DerefMut for State<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.of_both
    }
}

impl<S: Default + Send + 'static> Worker<S> {
    /// Starts a thread called `name`; `run` is all that it does.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(super) fn start(
        name: &'static str,
        run: impl FnOnce(&Shared<S>) + Send + 'static,
    ) -> io::Result<Worker<S>> {
        let shared: Arc<Shared<S>> = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || run(&theirs))?;
        Ok(Worker { name, shared, thread: Some(thread) })
    }
}

impl<S> std::ops::Deref for Worker<S> {
    type Target = Shared<S>;

    fn deref(&self) -> &Shared<S> {
        &self.shared
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.tell();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a tape's thread {} has panicked", self.name);
        }
    }
}

impl<S> Shared<S> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called behind a change that the other side may wait for.
    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, holds: impl Fn(&S) -> bool) -> MutexGuard<'_, State<S>> {
        self.wait_on(self.lock(), holds)
    }

    pub(super) fn wait_on<'a>(
        &self,
        state: MutexGuard<'a, State<S>>,
        holds: impl Fn(&S) -> bool,
    ) -> MutexGuard<'a, State<S>> {
        self.changed.wait_while(state, |state| !holds(state)).unwrap_or_else(PoisonError::into_inner)
    }

    /// For the thread: waits until there is something to do; `None` when there is nothing and it is to end.
    pub(super) fn work(&self, is_there: impl Fn(&S) -> bool) -> Option<MutexGuard<'_, State<S>>> {
        let state = self
            .changed
            .wait_while(self.lock(), |state| !state.is_ending && !is_there(state))
            .unwrap_or_else(PoisonError::into_inner);
        is_there(&state).then_some(state)
    }
}
