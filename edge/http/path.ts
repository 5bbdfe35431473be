// A request's path, cut on raw slashes: a router would decode a name's %2F before it is cut.

/** The path as it was asked for, still encoded. */
export function rawPath(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start < 0 ? "/" : url.slice(start).replace(/[?#].*$/s, "");
}

/** One segment, percent-decoded once, without the ".json" of the format; null: it is no UTF-8. */
export function resourceId(rawPath: string, index: number): string | null {
  return decodeSegment(withoutSuffix(rawPath.split("/")[index] ?? ""));
}

/**
 * The readings of a segment that names a session, best first: as written; with "+" for a space, as
 * Java's URLEncoder writes it; and with a ".json" that belongs to the name.
 */
export function nameCandidates(rawPath: string, index: number): string[] {
  const segment = rawPath.split("/")[index] ?? "";
  const bare = withoutSuffix(segment);
  const readings = [bare, bare.replaceAll("+", "%20"), segment, segment.replaceAll("+", "%20")];
  // An empty reading names nothing, no more than one whose encoding is broken.
  return [...new Set(readings.flatMap((reading) => decodeSegment(reading) || []))];
}

const withoutSuffix = (segment: string): string => segment.replace(/\.json$/, "");

function decodeSegment(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null; // Broken encoding names nothing: the caller answers 404.
  }
}
