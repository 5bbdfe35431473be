// How many calls a trunk carries at once, and how many it is given in a second.
import type { Trunk } from "../../schemas/config.ts";
import type { Clock } from "../runtime/types.ts";

const SECOND_MS = 1_000;

export class TrunkLimits {
  readonly #clock: Clock;
  /** Trunk by call. */
  readonly #calls = new Map<string, string>();
  /** Starts of the last second, by trunk, on the monotonic clock. */
  readonly #starts = new Map<string, number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** May one more call go over it now? */
  hasRoom(trunk: Trunk): boolean {
    const running = [...this.#calls.values()].filter((name) => name === trunk.name).length;
    if (trunk.maxCalls > 0 && running >= trunk.maxCalls) return false;
    return trunk.maxCps === 0 || this.#recent(trunk.name).length < trunk.maxCps;
  }

  take(trunk: Trunk, callSid: string): void {
    this.#calls.set(callSid, trunk.name);
    if (trunk.maxCps === 0) return;
    this.#starts.set(trunk.name, [...this.#recent(trunk.name), this.#clock.monotonicMs()]);
  }

  free(callSid: string): void {
    this.#calls.delete(callSid);
  }

  #recent(name: string): number[] {
    const since = this.#clock.monotonicMs() - SECOND_MS;
    return (this.#starts.get(name) ?? []).filter((at) => at > since);
  }
}
