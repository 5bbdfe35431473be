// Signals and the end of this process.

export interface SignalListener {
  /** SIGTERM or SIGINT; `count` is 1 for the first. */
  onTerminate: (count: number) => void;
  /** SIGHUP: files are to be read again. */
  onReload?: () => void;
}

/** npm and a terminal each deliver the same Ctrl-C: what comes this soon is no second wish. */
const ECHO_MS = 250;

export function onSignals(listener: SignalListener): void {
  let count = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  const terminate = (): void => {
    const now = performance.now();
    if (now - lastAt < ECHO_MS) return;
    lastAt = now;
    listener.onTerminate(++count);
  };
  process.on("SIGTERM", terminate);
  process.on("SIGINT", terminate);
  // Without a listener a lost terminal would end us.
  process.on("SIGHUP", () => listener.onReload?.());
}

/** Calls back when whoever started us is gone: it held the other end of our standard input. */
export function onStarterGone(callback: () => void): void {
  process.stdin.on("end", callback);
  process.stdin.on("error", callback);
  process.stdin.resume();
}

export const exitProcess = (code: number): never => process.exit(code);
