// How a machine's transition does more than one thing and stays a pure function: a step takes
// context and event, and says what the context becomes and what is to be sent to whom.

export interface Step<Context, Command, Raised, Told> {
  context?: Partial<Context>;
  /** To the machine's own `sip` port. */
  send?: Command[];
  /** Internal events: the next transitions of the same macrostep. */
  raise?: Raised[];
  /** To the parent machine. */
  tell?: Told[];
}

/** Joins steps that were made one after the other, each from the context the last one left. */
export function joinSteps<C, S, R, T>(...steps: Step<C, S, R, T>[]): Step<C, S, R, T> {
  return {
    context: Object.assign({}, ...steps.map((step) => step.context ?? {})) as Partial<C>,
    send: steps.flatMap((step) => step.send ?? []),
    raise: steps.flatMap((step) => step.raise ?? []),
    tell: steps.flatMap((step) => step.tell ?? []),
  };
}
