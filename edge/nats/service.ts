// The NATS micro protocol (ADR-32: $SRV.PING, INFO, STATS), so that the standard tools list our
// processes with their endpoints and statistics.
import type { Msg } from "@nats-io/transport-node";
import type { Clock } from "../runtime/types.ts";
import type { NatsLink } from "./connect.ts";
import { type EndpointStats, type Route, serve, type Served, type ServeOptions, serveVerbs }
  from "./rpc.ts";

export interface ServiceOptions {
  /** A name of letters, digits, - and _: `siprec-media`. */
  name: string;
  /** Semantic version. */
  version: string;
  description: string;
  /** Unique among the services of this name: shown as the instance. */
  id: string;
  metadata?: Record<string, string>;
  clock: Clock;
}

interface Endpoint {
  name: string;
  subject: string;
  queue: string;
  stats: EndpointStats;
}

export interface NatsService {
  readonly id: string;
  /** Serves one subject as an endpoint. */
  serve(name: string, subject: string, served: Route, options?: { queue?: string }): Served;
  /** Serves `<prefix>.<verb>` with one subscription, as one endpoint. */
  serveVerbs(name: string, prefix: string, verbs: Readonly<Record<string, Route>>): Served;
  /** An endpoint that is served by subscriptions that come and go, one for each call: give its
   *  options to `serveVerbs` of rpc.ts. `subject` is shown to people: `siprec.v1.call.*.>`. */
  shared(name: string, subject: string): ServeOptions;
  /** Leaves the list, and stops its endpoints. */
  stop(): void;
}

/** Registers a service; it can be found when this returns. */
export async function openService(link: NatsLink, options: ServiceOptions): Promise<NatsService> {
  const endpoints: Endpoint[] = [];
  const served: Served[] = [];
  const startedAt = new Date(options.clock.wallMs()).toISOString();
  const answers: Record<string, () => unknown> = {
    PING: () => ({ ...identity(options), type: "io.nats.micro.v1.ping_response" }),
    INFO: () => infoOf(options, endpoints),
    STATS: () => statsOf(options, endpoints, startedAt),
  };
  const control = Object.entries(answers).flatMap(([verb, answer]) =>
    controlSubjects(verb, options).map((subject) => link.nc.subscribe(subject, {
      callback: (error: Error | null, msg: Msg) => {
        if (error === null) msg.respond(JSON.stringify(answer()));
      },
    })));
  const endpoint = (name: string, subject: string, queue: string): ServeOptions => {
    const stats = { requests: 0, errors: 0, lastError: "", processingNs: 0 };
    endpoints.push({ name, subject, queue, stats });
    return { stats, monotonicMs: options.clock.monotonicMs, ...(queue === "" ? {} : { queue }) };
  };
  const sharing = new Map<string, ServeOptions>();
  const keep = (one: Served): Served => (served.push(one), one);
  await link.nc.flush();
  return {
    id: options.id,
    serve: (name, subject, one, more = {}) =>
      keep(serve(link, subject, one, endpoint(name, subject, more.queue ?? ""))),
    serveVerbs: (name, prefix, verbs) =>
      keep(serveVerbs(link, prefix, verbs, endpoint(name, `${prefix}.>`, ""))),
    shared: (name, subject) => {
      // One endpoint, however often it is asked for: once for each call.
      const known = sharing.get(name) ?? endpoint(name, subject, "");
      sharing.set(name, known);
      return known;
    },
    stop() {
      for (const one of served) one.stop();
      for (const sub of control) sub.unsubscribe();
    },
  };
}

const controlSubjects = (verb: string, { name, id }: ServiceOptions): string[] =>
  [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`];

const identity = ({ name, id, version, metadata }: ServiceOptions) =>
  ({ name, id, version, metadata: metadata ?? {} });

const infoOf = (options: ServiceOptions, endpoints: Endpoint[]) => ({
  ...identity(options), type: "io.nats.micro.v1.info_response", description: options.description,
  endpoints: endpoints.map(({ name, subject, queue }) =>
    ({ name, subject, queue_group: queue, metadata: {} })),
});

const statsOf = (options: ServiceOptions, endpoints: Endpoint[], startedAt: string) => ({
  ...identity(options), type: "io.nats.micro.v1.stats_response", started: startedAt,
  endpoints: endpoints.map(({ name, subject, queue, stats }) => ({
    name, subject, queue_group: queue, num_requests: stats.requests, num_errors: stats.errors,
    last_error: stats.lastError, processing_time: stats.processingNs,
    average_processing_time: Math.round(stats.processingNs / Math.max(1, stats.requests)),
  })),
});
