const everyMs = 20;

/** What was waited for, and the last reason why it had not come. */
export class OutOfPatience extends Error {
  override name = 'OutOfPatience';
}

/** Looks again until the answer is neither null nor undefined nor false; a look that fails is looked at again. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  boundMs = 60_000,
): Promise<T> {
  const endMs = performance.now() + boundMs;
  let reason = '';
  for (;;) {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
      reason = '';
    } catch (error) {
      reason = `: ${(error as Error).message}`;
    }
    if (performance.now() > endMs) throw new OutOfPatience(`waited ${boundMs / 1_000} s for ${what}${reason}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
