// Waiting with a deadline: a condition that never comes true fails with its name.

export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false | null>,
  seconds = 20,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
