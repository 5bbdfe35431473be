import type { Log } from "../../edge/runtime/types.ts";

/** Says nothing. */
export const quietLog: Log = {
  debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => quietLog,
};
