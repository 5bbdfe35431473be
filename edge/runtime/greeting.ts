// Who listens on a TCP port: the first line that it says to a client.
import { connect } from "node:net";

const GREETING_MAX_CHARS = 65_536;

/** The first line; "" when something listens and says nothing in time; null: nobody listens, or
 *  it hung up without a word. */
export function readGreeting(
  host: string, port: number, timeoutMs: number,
): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host, port });
    const end = (line: string | null): void => {
      socket.destroy();
      resolve(line);
    };
    socket.setTimeout(timeoutMs, () => end(text));
    socket.on("error", () => end(null));
    socket.on("close", () => end(text === "" ? null : text));
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8");
      const newline = text.indexOf("\n");
      if (newline >= 0) end(text.slice(0, newline));
      else if (text.length > GREETING_MAX_CHARS) end(text);
    });
  });
}
