//! A queue that holds the latest value of each key.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A queue for one reader in which a value that is still waiting gives way to
/// a newer one of the same key, at the place of the old. It never holds more
/// than one value for each key, however slow its reader.
#[derive(Debug)]
pub(super) struct LatestQueue<K, V> {
    waiting: Mutex<Waiting<K, V>>,
    changed: Notify,
}

#[derive(Debug)]
struct Waiting<K, V> {
    order: VecDeque<K>,
    values: HashMap<K, V>,
    closed: bool,
}

impl<K: Clone + Eq + Hash, V> LatestQueue<K, V> {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                order: VecDeque::new(),
                values: HashMap::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Puts a value at the end, or in the place of an older one. A closed
    /// queue takes no more.
    pub(super) fn put(&self, key: K, value: V) {
        self.waiting.lock().put(key, value);
        self.changed.notify_one();
    }

    /// Closes: what waits can still be taken, and nothing more comes.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    /// Puts a last value and closes. Only the first call counts.
    pub(super) fn close_with(&self, key: K, value: V) {
        {
            let mut waiting = self.waiting.lock();
            waiting.put(key, value);
            waiting.closed = true;
        }
        self.changed.notify_one();
    }

    /// Takes the oldest value; `None` when the queue is closed and empty.
    /// Loses nothing when dropped before it is done.
    pub(super) async fn next(&self) -> Option<V> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(value) = waiting.take() {
                    return Some(value);
                }
                if waiting.closed {
                    return None;
                }
            }
            // A permit is kept if a value came since the look.
            self.changed.notified().await;
        }
    }
}

impl<K: Clone + Eq + Hash, V> Waiting<K, V> {
    fn put(&mut self, key: K, value: V) {
        if !self.closed && self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
    }

    fn take(&mut self) -> Option<V> {
        let key = self.order.pop_front()?;
        self.values.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::LatestQueue;

    #[tokio::test]
    async fn a_newer_value_takes_the_place_of_the_older() {
        let queue = LatestQueue::new();
        for round in 0..1000 {
            queue.put("a", round);
            queue.put("b", -round);
        }
        queue.close_with("end", 7);
        queue.put("late", 8);
        let mut values = Vec::new();
        while let Some(value) = queue.next().await {
            values.push(value);
        }
        assert_eq!(values, [999, -999, 7]);
    }

    #[tokio::test]
    async fn a_value_that_comes_while_waiting_wakes_the_reader() {
        let queue = LatestQueue::new();
        let (value, ()) = tokio::join!(queue.next(), async {
            tokio::task::yield_now().await;
            queue.put("a", 1);
        });
        assert_eq!(value, Some(1));
    }
}
