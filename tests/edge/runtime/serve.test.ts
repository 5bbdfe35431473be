import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { serve } from "../../../edge/runtime/serve.ts";
import { APP } from "../http/certificates.ts";

const LISTEN = { address: "127.0.0.1", port: 0 };
const ok = (): Response => new Response("ok");

describe("HTTP server", () => {
  test("a port that is taken is refused: two servers never share one", async () => {
    const first = serve({ ...LISTEN, fetch: ok });
    expect(() => serve({ address: "127.0.0.1", port: first.port, fetch: ok })).toThrow(
      `127.0.0.1:${first.port}`,
    );
    await first.close(0);
    const second = serve({ address: "127.0.0.1", port: first.port, fetch: ok });
    expect((await fetch(second.url)).status).toBe(200);
    await second.close(0);
  });

  test("closing lets a request end", async () => {
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    const server = serve({
      ...LISTEN,
      fetch: () => {
        reached.resolve();
        return answer.promise;
      },
    });
    const response = fetch(server.url, { headers: { Connection: "close" } });
    await reached.promise;
    const closed = server.close(10_000);
    answer.resolve(ok());
    expect(await (await response).text()).toBe("ok");
    await closed;
  });

  test("closing ends connections that are kept alive or stop within a head", async () => {
    const server = serve({ ...LISTEN, fetch: ok });
    const text = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(text);
    await new Promise((resolve) => void socket.once("data", resolve));
    socket.write(text.slice(0, 10));
    await fetch(server.url);
    const ended = new Promise((resolve) => void socket.once("close", resolve));
    socket.resume();
    await server.close(10_000);
    await ended;
  });

  test("a request that never ends is cut off when the grace is over", async () => {
    const reached = Promise.withResolvers<void>();
    const server = serve({
      ...LISTEN,
      fetch: () => {
        reached.resolve();
        return new Promise<Response>(() => {});
      },
    });
    const response = fetch(server.url).then(() => "answered", () => "cut off");
    await reached.promise;
    await server.close(20);
    expect(await response).toBe("cut off");
  });

  test("with a certificate it speaks TLS", async () => {
    const server = serve({ ...LISTEN, fetch: ok, tls: APP });
    expect(server.url).toStartWith("https://127.0.0.1:");
    const response = await fetch(server.url, { tls: { ca: APP.cert } });
    expect(await response.text()).toBe("ok");
    await server.close(0);
  });

  test("an exception of the application is a bare 500", async () => {
    const server = serve({ ...LISTEN, fetch: () => Promise.reject(new Error("secret")) });
    const response = await fetch(server.url);
    expect([response.status, await response.text()]).toEqual([500, ""]);
    await server.close(0);
  });
});
