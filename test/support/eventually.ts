const everyMs = 20;
const boundMs = 15_000;

/** Repeats expectations until they hold, within a bound; then fails with what they last complained about. */
export async function eventually<T>(expectations: () => Promise<T> | T): Promise<T> {
  const endMs = performance.now() + boundMs;
  for (;;) {
    try {
      return await expectations();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
}
