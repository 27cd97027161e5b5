/** The painter without WebGL: squares on a canvas, fewer of them while the map moves. */
import { toScreen, viewOf } from "./camera";
import type { Layout } from "./layout";
import { type Painter, firstOf, opacityOf, paintingOrder, radiusOf, stature } from "./painter";

export function createPlainPainter(canvas: HTMLCanvasElement, layout: Layout): Painter | null {
  const context = canvas.getContext("2d");
  if (context === null) return null;
  const order = paintingOrder(layout);
  return {
    kind: "canvas",
    paint(camera, window, look) {
      context.setTransform(look.pixelRatio, 0, 0, look.pixelRatio, 0, 0);
      context.clearRect(0, 0, window.width, window.height);
      const { left, right, bottom, top } = viewOf(camera, window);
      const radius = radiusOf(order.length, look.magnification);
      const opacity = opacityOf(order.length, look.magnification) * look.strength;
      const colours = look.shades.map((rgb) => `rgb(${rgb.map((part) => Math.round(part * 255)).join(" ")})`);
      for (const row of order.subarray(firstOf(order.length, look.share))) {
        const [x, y] = [layout.xs[row]!, layout.ys[row]!];
        if (x < left || x > right || y < bottom || y > top) continue;
        const group = layout.groups[row]! % colours.length;
        const [px, py] = toScreen(camera, window, [x, y]);
        const side = 1.8 * radius * stature(layout.weights[row]!);
        context.globalAlpha = look.only === null || look.only === group ? opacity : opacity * 0.14;
        context.fillStyle = colours[group]!;
        context.fillRect(px - side / 2, py - side / 2, side, side);
      }
      context.globalAlpha = 1;
    },
    dispose() {},
  };
}
