import type { Logger } from 'pino';

export interface Loop {
  /** Runs the next round now instead of at its time. */
  wake(): void;
  /** Resolves when the round that is running has ended. */
  stop(): Promise<void>;
}

/** Runs a round, waits, and again. A round that fails is logged and does not end the loop. A round may ask for the next one at once. */
export function startLoop(name: string, everyMs: number, log: Logger, round: () => Promise<boolean | undefined>): Loop {
  let stopping = false;
  let woken = false;
  let rouse: () => void = () => {};
  const running = (async () => {
    while (!stopping) {
      woken = false;
      let again = false;
      try {
        again = (await round()) === true;
      } catch (error) {
        log.error({ err: error, loop: name }, 'a round failed');
      }
      if (stopping || woken || again) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        rouse = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();
  return {
    wake: () => {
      woken = true;
      rouse();
    },
    stop: async () => {
      stopping = true;
      rouse();
      await running;
    },
  };
}
