// The direction algebra of RFC 3264 §5.1, §6.1 and §8.4.
import type { Direction } from "./description.ts";

const sends = (direction: Direction): boolean =>
  direction === "sendrecv" || direction === "sendonly";
const receives = (direction: Direction): boolean =>
  direction === "sendrecv" || direction === "recvonly";

function directionOf(send: boolean, receive: boolean): Direction {
  if (send) return receive ? "sendrecv" : "sendonly";
  return receive ? "recvonly" : "inactive";
}

/** The same flow of media as the other side says it. */
export const reverseDirection = (direction: Direction): Direction =>
  directionOf(receives(direction), sends(direction));

/** What both allow. */
export const commonDirection = (a: Direction, b: Direction): Direction =>
  directionOf(sends(a) && sends(b), receives(a) && receives(b));

/** RFC 3264 §6.1: what may be answered to an offer by someone who wishes `wish`. */
export const answerDirection = (offered: Direction, wish: Direction): Direction =>
  commonDirection(reverseDirection(offered), wish);
