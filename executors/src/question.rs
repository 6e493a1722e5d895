//! A question that is asked anew only when the earlier one has ended, however long that takes.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// A question, and the earlier one that still waits for its answer.
pub(crate) struct Question<T>(Mutex<Option<JoinHandle<T>>>);

impl<T> Default for Question<T> {
    fn default() -> Question<T> {
        Question(Mutex::new(None))
    }
}

impl<T: Send + 'static> Question<T> {
    /// Waits for so long for the answer: to the earlier question while that still waits, to this one otherwise. Without an
    /// answer the question goes on: what it does in passing is not broken off. Must be called within a tokio runtime.
    pub(crate) async fn ask(
        &self,
        patience: Duration,
        asking: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let answer = async {
            let mut waiting = self.0.lock().await;
            if waiting.as_ref().is_none_or(JoinHandle::is_finished) {
                *waiting = Some(tokio::spawn(asking));
            }
            let answer = waiting.as_mut()?.await;
            *waiting = None;
            answer.ok()
        };
        tokio::time::timeout(patience, answer).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::Question;
    use std::time::Duration;
    use tokio::sync::oneshot;

    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_question_that_waits_is_not_asked_again() {
        let question = Question::default();
        assert_eq!(question.ask(LONG, async { 1 }).await, Some(1));
        let (tell, told) = oneshot::channel();
        assert_eq!(question.ask(SHORT, async { told.await.unwrap() }).await, None);
        assert_eq!(question.ask(SHORT, async { panic!("asked again") }).await, None);
        let (answer, _) = tokio::join!(question.ask(LONG, async { panic!("asked again") }), async {
            tell.send(2).unwrap();
        });
        assert_eq!(answer, Some(2));
    }

    #[tokio::test]
    async fn what_came_when_nobody_waited_is_old() {
        let question = Question::default();
        let (tell, told) = oneshot::channel();
        assert_eq!(question.ask(SHORT, async { told.await.unwrap() }).await, None);
        tell.send(1).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(question.ask(LONG, async { 2 }).await, Some(2));
    }
}
