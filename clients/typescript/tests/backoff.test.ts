// When the repeats come: with a clock that stands still until it is moved.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { persist, type Limits } from '../src/retry.js';

interface Answer {
  queued?: boolean;
}
const limits: Limits = { deadlineMs: 15_000, retryDelayMs: 1000, retry: true };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Asks in vain until the end, and says at which moments. */
async function moments(random: number, overrides: Partial<Limits> = {}): Promise<{ at: number[]; end: number }> {
  vi.spyOn(Math, 'random').mockReturnValue(random);
  const started = Date.now();
  const at: number[] = [];
  const ask = () => {
    at.push(Date.now() - started);
    return Promise.resolve({ answer: { queued: true } satisfies Answer, again: true });
  };
  const done = persist<Answer>(ask, { ...limits, ...overrides }).then((answer) => ({ answer, end: Date.now() - started }));
  await vi.runAllTimersAsync();
  const { answer, end } = await done;
  expect(answer).toEqual({ queued: true });
  return { at, end };
}

test('the waits double up to four times the first', async () => {
  expect((await moments(0.5)).at).toEqual([0, 1000, 3000, 7000, 11_000]);
});

test('chance makes them up to a quarter shorter', async () => {
  expect((await moments(0)).at).toEqual([0, 750, 2250, 5250, 8250, 11_250, 14_250]);
});

test('or up to a quarter longer', async () => {
  expect((await moments(1)).at).toEqual([0, 1250, 3750, 8750, 13_750]);
});

test('nobody is kept waiting for a repeat that would come after the deadline', async () => {
  expect((await moments(0.5)).end).toBe(11_000);
});

test('the first wait and the deadline can be set', async () => {
  expect((await moments(0.5, { retryDelayMs: 100, deadlineMs: 1000 })).at).toEqual([0, 100, 300, 700]);
});

test('a request that takes long leaves less time for repeats', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  let asked = 0;
  const ask = () => {
    asked++;
    return new Promise<{ answer: Answer; again: boolean }>((resolve) => {
      setTimeout(() => resolve({ answer: {}, again: true }), 8000);
    });
  };
  const done = persist<Answer>(ask, limits);
  await vi.runAllTimersAsync();
  expect(await done).toEqual({});
  expect(asked, 'the second is cut off at the deadline').toBe(2);
});

test('no timer is left when the answer is there', async () => {
  expect(await persist(() => Promise.resolve({ answer: {}, again: false }), limits)).toEqual({});
  expect(vi.getTimerCount()).toBe(0);
});

test('no timer is left after an abort', async () => {
  const controller = new AbortController();
  const done = persist<Answer>(() => Promise.resolve({ answer: {}, again: true }), { ...limits, signal: controller.signal });
  await vi.advanceTimersByTimeAsync(100);
  expect(vi.getTimerCount(), 'the deadline and the wait').toBe(2);
  controller.abort();
  expect(await done).toBe('aborted');
  expect(vi.getTimerCount()).toBe(0);
});
