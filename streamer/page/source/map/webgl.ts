/** The painter on WebGL 2: one draw call, a point for each track; it survives the loss of its context. */
import type { Camera, Size } from "./camera";
import type { Layout } from "./layout";
import { NUM_GROUPS } from "./palette";
import { type Look, type Painter, firstOf, opacityOf, paintingOrder, radiusOf, stature } from "./painter";

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in float x;
layout(location = 1) in float y;
layout(location = 2) in vec2 kind; // group, stature in 1/64
uniform vec2 middle;
uniform vec2 scale; // from the plane to clip space
uniform float radius; // device pixels, of a track of middling popularity
uniform float opacity;
uniform float only; // -1: all regions
uniform vec3 shades[${NUM_GROUPS}];
out vec4 colour;
out float edge;
void main() {
  float size = radius * kind.y / 64.0;
  gl_Position = vec4((vec2(x, y) - middle) * scale, 0.0, 1.0);
  gl_PointSize = 2.0 * size + 1.0;
  edge = size / (size + 0.5);
  float visible = opacity * (only < 0.0 || only == kind.x ? 1.0 : 0.14) * min(1.0, 0.55 + 0.45 * size);
  colour = vec4(shades[int(kind.x) % ${NUM_GROUPS}] * visible, visible);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
in float edge;
out vec4 pixel;
void main() {
  float away = 2.0 * length(gl_PointCoord - 0.5);
  pixel = colour * (1.0 - smoothstep(2.0 * edge - 1.0, 1.0, away));
}`;

interface Resources {
  readonly program: WebGLProgram;
  readonly vertices: WebGLVertexArrayObject;
  readonly uniforms: Readonly<Record<string, WebGLUniformLocation | null>>;
}

const UNIFORMS = ["middle", "scale", "radius", "opacity", "only", "shades"] as const;

/**
 * Make a painter; null where there is no WebGL 2.
 * @param onRestored called when a lost context is back, and everything must be drawn again
 */
export function createWebglPainter(canvas: HTMLCanvasElement, layout: Layout, onRestored: () => void): Painter | null {
  const gl = canvas.getContext("webgl2", { antialias: false, depth: false, powerPreference: "low-power" });
  if (gl === null) return null;
  const order = paintingOrder(layout);
  let resources = createResources(gl, layout, order);
  if (resources === null) return null;
  const lose = (event: Event) => {
    event.preventDefault(); // otherwise it never comes back
    resources = null;
  };
  const restore = () => {
    resources = createResources(gl, layout, order);
    onRestored();
  };
  canvas.addEventListener("webglcontextlost", lose);
  canvas.addEventListener("webglcontextrestored", restore);
  return {
    kind: "webgl2",
    paint(camera, window, look) {
      if (resources !== null) draw(gl, resources, order.length, { camera, window, look });
    },
    dispose() {
      canvas.removeEventListener("webglcontextlost", lose);
      canvas.removeEventListener("webglcontextrestored", restore);
      if (resources !== null) gl.deleteProgram(resources.program);
      resources = null;
    },
  };
}

interface Frame {
  readonly camera: Camera;
  readonly window: Size;
  readonly look: Look;
}

function draw(gl: WebGL2RenderingContext, { program, vertices, uniforms }: Resources, size: number, frame: Frame): void {
  const { camera, window, look } = frame;
  gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.useProgram(program);
  gl.bindVertexArray(vertices);
  gl.uniform2f(uniforms.middle!, camera.x, camera.y);
  gl.uniform2f(uniforms.scale!, (2 * camera.scale) / window.width, (2 * camera.scale) / window.height);
  gl.uniform1f(uniforms.radius!, radiusOf(size, look.magnification) * look.pixelRatio);
  gl.uniform1f(uniforms.opacity!, opacityOf(size, look.magnification) * look.strength);
  gl.uniform1f(uniforms.only!, look.only ?? -1);
  gl.uniform3fv(uniforms.shades!, look.shades.flat());
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const first = firstOf(size, look.share);
  gl.drawArrays(gl.POINTS, first, size - first);
}

/** Compile the program and upload the tracks; null if the context is lost or cannot. */
function createResources(gl: WebGL2RenderingContext, layout: Layout, order: Uint32Array): Resources | null {
  const program = gl.createProgram();
  const vertices = gl.createVertexArray();
  if (program === null || vertices === null) return null;
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(type);
    if (shader === null) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  upload(gl, vertices, layout, order);
  const uniforms = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]));
  return { program, vertices, uniforms };
}

function upload(gl: WebGL2RenderingContext, vertices: WebGLVertexArrayObject, layout: Layout, order: Uint32Array): void {
  const kinds = new Uint8Array(2 * order.length);
  order.forEach((row, place) => {
    kinds[2 * place] = layout.groups[row]!;
    kinds[2 * place + 1] = Math.round(64 * stature(layout.weights[row]!));
  });
  gl.bindVertexArray(vertices);
  attribute(gl, 0, 1, Float32Array.from(order, (row) => layout.xs[row]!));
  attribute(gl, 1, 1, Float32Array.from(order, (row) => layout.ys[row]!));
  attribute(gl, 2, 2, kinds);
}

function attribute(gl: WebGL2RenderingContext, place: number, width: number, values: Float32Array | Uint8Array): void {
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, width, values instanceof Uint8Array ? gl.UNSIGNED_BYTE : gl.FLOAT, false, 0, 0);
}
