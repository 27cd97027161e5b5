/** The layout of a catalogue: where each track is on the map, to which region it belongs and how popular it is. */

export interface Layout {
  /** The release it belongs to. */
  readonly release: string;
  readonly size: number;
  /** In -1..1, to the right; NaN where a track has no place: only the most played 100,000 have one. */
  readonly xs: Float32Array;
  /** In -1..1, upwards; NaN where a track has no place. */
  readonly ys: Float32Array;
  /** 0..11, which colour. */
  readonly groups: Uint8Array;
  /** 0..255, the logarithm of the plays. */
  readonly weights: Uint8Array;
}

export function hasPlace({ xs }: Layout, row: number): boolean {
  return !Number.isNaN(xs[row] ?? Number.NaN);
}

const MAGIC = 0x50414d52; // "RMAP", little-endian
const HEADER_BYTES = 16;
const ROW_BYTES = 10;

/**
 * Read a layout.
 * @throws if the bytes are something else, or cut short.
 */
export function readLayout(bytes: ArrayBuffer, release: string): Layout {
  const head = new DataView(bytes);
  if (bytes.byteLength < HEADER_BYTES || head.getUint32(0, true) !== MAGIC) {
    throw new Error("The worker's answer is no map; reload the page.");
  }
  const version = head.getUint32(4, true);
  if (version !== 1) throw new Error(`The map has format ${version}, this page reads 1; reload the page.`);
  const size = head.getUint32(8, true);
  if (bytes.byteLength !== HEADER_BYTES + size * ROW_BYTES) {
    throw new Error(`The map was cut short: ${bytes.byteLength} bytes for ${size} tracks; reload the page.`);
  }
  const after = (fields: number) => HEADER_BYTES + size * fields;
  return {
    release,
    size,
    xs: new Float32Array(bytes, after(0), size),
    ys: new Float32Array(bytes, after(4), size),
    groups: new Uint8Array(bytes, after(8), size),
    weights: new Uint8Array(bytes, after(9), size),
  };
}
