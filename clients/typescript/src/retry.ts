// Asks again until there is an answer to give, the deadline has come, or the caller has gone.

/** How long, how often, and until when. */
export interface Limits {
  deadlineMs: number;
  retryDelayMs: number;
  retry: boolean;
  signal?: AbortSignal | undefined;
}

export interface Attempt<Answer> {
  answer: Answer;
  /** Asking again may bring a better answer. */
  again: boolean;
}

/** Why there is no answer. */
export type Ended = 'aborted' | 'deadline';

/** A timer with a longer delay would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The last answer; or, when the deadline came first, the best of those so far: one that says
 * `queued` tells more than one that could not be had. `ask` must not reject.
 */
export async function persist<Answer extends { queued?: unknown }>(
  ask: (signal: AbortSignal) => Promise<Attempt<Answer>>,
  { deadlineMs, retryDelayMs, retry, signal }: Limits,
): Promise<Answer | Ended> {
  if (signal?.aborted) return 'aborted';
  const started = Date.now();
  const request = new AbortController();
  let end: (why: Ended) => void = () => {};
  // Not only the request's signal: what comes before the request, such as a refresh of the
  // session, does not listen to that.
  const ended = new Promise<Ended>((resolve) => {
    end = (why) => {
      resolve(why);
      request.abort();
    };
  });
  const onAbort = () => end('aborted');
  signal?.addEventListener('abort', onAbort);
  const deadline = deadlineMs > LONGEST_TIMER ? undefined : setTimeout(() => end('deadline'), deadlineMs);
  let pause: ReturnType<typeof setTimeout> | undefined;
  let best: Answer | undefined;
  try {
    for (let attempts = 0; ; attempts++) {
      const attempt = await Promise.race([ask(request.signal), ended]);
      if (typeof attempt === 'string') return attempt === 'deadline' && best ? best : attempt;
      if (!attempt.again || !retry) return attempt.answer;
      if (attempt.answer.queued || !best?.queued) best = attempt.answer;

      const delay = backoff(attempts, retryDelayMs);
      // Nobody gains by a wait that nothing can follow.
      if (Date.now() - started + delay >= deadlineMs) return best;
      const waited = new Promise<void>((resolve) => {
        pause = setTimeout(resolve, delay);
      });
      const interrupted = await Promise.race([waited, ended]);
      if (interrupted) return interrupted === 'deadline' ? best : interrupted;
    }
  } finally {
    clearTimeout(pause);
    clearTimeout(deadline);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Twice as long each time, up to four times the first, give or take a quarter. */
function backoff(attempts: number, first: number): number {
  return first * Math.min(2 ** attempts, 4) * (0.75 + Math.random() / 2);
}
