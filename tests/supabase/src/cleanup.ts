// What was started, so that it can be stopped: in reverse order, all of it, whatever fails or hangs.

type Stop = () => Promise<void> | void;

const PATIENCE_MS = 15_000;

export class Cleanup {
  readonly #stops: Stop[] = [];

  add(stop: Stop): void {
    this.#stops.push(stop);
  }

  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      await bounded(stop).catch((failure: unknown) => failures.push(failure));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be stopped');
  }
}

async function bounded(stop: Stop): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not stop within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    await Promise.race([Promise.resolve(stop()), late]);
  } finally {
    clearTimeout(timer);
  }
}
