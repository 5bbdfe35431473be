import type {
  Step, TransactionOut, TransactionTimes,
} from "../../protocol/sip/transaction/step.ts";

const nameOf = (out: TransactionOut): string => {
  if (out.type === "response") return `tell ${out.response.status}`;
  if (out.type !== "send") return out.type;
  return `send ${out.message.kind === "request" ? out.message.method : out.message.status}`;
};

/** Drives one transaction: inputs at their times, its own deadlines between them. */
export class Timeline<S extends TransactionTimes & { phase: string }, I> {
  /** "500 send INVITE": what went out, and when. */
  readonly events: string[] = [];
  state: S;
  #deadlineAt: number | null;
  #now = 0;
  readonly #step: (state: S, input: I, nowMs: number) => Step<S>;

  constructor(
    first: Step<S>,
    step: (state: S, input: I, nowMs: number) => Step<S>,
    private readonly time: NoInfer<I>,
  ) {
    this.#step = step;
    this.state = first.state;
    this.#deadlineAt = first.deadlineAt;
    this.#note(first);
  }

  at(nowMs: number, input: I): this {
    this.until(nowMs);
    return this.#take(this.#step(this.state, input, nowMs));
  }

  /** Lets time pass, no further than `endMs`. */
  until(endMs: number): this {
    while (this.#deadlineAt !== null && this.#deadlineAt <= endMs) {
      this.#now = this.#deadlineAt;
      this.#take(this.#step(this.state, this.time, this.#now));
    }
    this.#now = endMs;
    return this;
  }

  #take(step: Step<S>): this {
    this.state = step.state;
    this.#deadlineAt = step.deadlineAt;
    this.#note(step);
    return this;
  }

  #note({ out }: Step<S>): void {
    for (const each of out) this.events.push(`${this.#now} ${nameOf(each)}`);
  }
}
