// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static io.clipsteer.world.Brush.blob;
import static io.clipsteer.world.Brush.box;
import static io.clipsteer.world.Brush.curve;
import static io.clipsteer.world.Brush.open;
import static io.clipsteer.world.Brush.oval;
import static io.clipsteer.world.Brush.poly;
import static io.clipsteer.world.Brush.round;

/** How things, vehicles and animals look. */
final class ObjectArt {
  private static final int STEEL = 0xb4b8bf;
  private static final int TIMBER = 0x9a6a3a;
  private static final int GLASS = 0xcfe8f5;
  private static final int TYRE = 0x1a1a1c;
  private static final int DARK = 0x141414;

  private ObjectArt() {}

  static void apple(Brush b) {
    b.line(0x5a3a1a, 0.12, curve(0, -0.6, 0.02, -0.85, 0.15, -0.98));
    b.body(
        blob(
            0, -0.6, 0.45, -0.85, 0.8, -0.45, 0.95, 0.1, 0.6, 0.65, 0.35, 1, 0, 0.85, -0.35, 1,
            -0.6, 0.65, -0.95, 0.1, -0.8, -0.45, -0.45, -0.85, 0, -0.6));
    b.fill(0x3f8f3a, blob(0.1, -0.72, 0.3, -1.05, 0.62, -0.9, 0.4, -0.6, 0.1, -0.72));
    b.shade(0.55, oval(-0.38, -0.2, 0.12, 0.2));
  }

  static void banana(Brush b) {
    b.body(
        blob(
            -0.9, -0.55, -0.75, 0.35, 0.05, 0.62, 0.6, 0.75, 0.95, 0.3, 0.6, 0.42, 0.2, 0.2, -0.5,
            -0.05, -0.68, -0.7, -0.8, -0.75, -0.9, -0.55));
    b.fill(0x4a3a1a, oval(-0.8, -0.66, 0.11, 0.11));
    b.fill(0x4a3a1a, oval(0.9, 0.33, 0.08, 0.08));
    b.line(b.tone(-0.3), 0.05, curve(-0.75, -0.4, -0.55, 0.25, 0.15, 0.42));
  }

  static void mug(Brush b) {
    b.line(b.tone(-0.25), 0.2, curve(0.45, -0.35, 1.1, -0.4, 0.9, 0.1, 0.8, 0.4, 0.4, 0.4));
    b.body(round(-0.75, -0.7, 1.25, 1.5, 0.18));
    b.shade(-0.35, oval(-0.12, -0.68, 0.6, 0.16));
    b.fill(0x4a2c18, oval(-0.12, -0.66, 0.5, 0.11));
  }

  static void bottle(Brush b) {
    b.fill(0x6a6a6a, box(-0.17, -1, 0.34, 0.18));
    b.body(
        blob(
            -0.16, -0.85, -0.16, -0.6, -0.16, -0.45, -0.45, -0.3, -0.45, 0, -0.45, 0.6, -0.45, 0.95,
            0, 1.02, 0.45, 0.95, 0.45, 0.4, 0.45, 0, 0.45, -0.3, 0.16, -0.45, 0.16, -0.6, 0.16,
            -0.85));
    b.fill(0xf2ead2, box(-0.44, 0.1, 0.88, 0.45));
    b.shade(-0.2, box(-0.3, 0.26, 0.6, 0.1));
  }

  static void house(Brush b) {
    b.fill(0x6b3b32, box(0.38, -0.85, 0.22, 0.5));
    b.body(box(-0.75, -0.15, 1.5, 1.1));
    b.shade(-0.5, poly(-1, -0.12, 0, -0.95, 1, -0.12));
    b.fill(0x5a3a22, box(-0.17, 0.35, 0.36, 0.6));
    b.fill(0xcfe6f5, box(-0.6, 0.1, 0.3, 0.3));
    b.fill(0xcfe6f5, box(0.32, 0.1, 0.3, 0.3));
  }

  static void chair(Brush b) {
    b.line(b.tone(-0.35), 0.15, open(-0.42, 0.2, -0.5, 0.95));
    b.line(b.tone(-0.35), 0.15, open(0.55, 0.2, 0.62, 0.95));
    b.line(b.tone(-0.45), 0.12, open(-0.15, 0.2, -0.15, 0.8));
    b.line(b.tone(-0.45), 0.12, open(0.3, 0.2, 0.32, 0.8));
    b.body(round(-0.6, -1, 0.3, 1.2, 0.1));
    b.body(round(-0.6, 0.02, 1.25, 0.27, 0.1));
  }

  static void lamp(Brush b) {
    b.line(0x55504a, 0.13, open(0, -0.2, 0, 0.85));
    b.fill(0x55504a, oval(0, 0.87, 0.42, 0.13));
    b.fill(0xfff3a0, oval(0, -0.14, 0.2, 0.2));
    b.body(poly(-0.35, -1, 0.35, -1, 0.72, -0.15, -0.72, -0.15));
  }

  static void clock(Brush b) {
    b.body(oval(0, 0, 0.92, 0.92));
    b.fill(0xfbfaf2, oval(0, 0, 0.6, 0.6));
    b.line(0x151515, 0.1, open(0, 0, 0, -0.46));
    b.line(0x151515, 0.1, open(0, 0, 0.32, 0.16));
    for (int i = 0; i < 4; i++) {
      double x = (i % 2 == 0 ? 0 : 1) * (i < 2 ? 1 : -1) * 0.5;
      double y = (i % 2 == 0 ? 1 : 0) * (i < 2 ? 1 : -1) * 0.5;
      b.fill(0x333333, oval(x, y, 0.06, 0.06));
    }
  }

  static void book(Brush b) {
    b.fill(0xf6f1e0, poly(-0.62, 0.78, 0.8, 0.78, 0.8, 0.95, -0.62, 0.95));
    b.line(b.tone(-0.3), 0.08, open(-0.6, 0.97, 0.82, 0.97));
    b.body(round(-0.75, -0.95, 1.55, 1.75, 0.1));
    b.shade(-0.4, box(-0.75, -0.95, 0.24, 1.75));
    b.fill(0xf3e7b8, box(-0.25, -0.6, 0.8, 0.14));
    b.fill(0xf3e7b8, box(-0.25, -0.34, 0.55, 0.1));
  }

  static void key(Brush b) {
    b.body(box(-0.2, -0.12, 1.15, 0.24));
    b.body(box(0.45, 0.05, 0.17, 0.42));
    b.body(box(0.75, 0.05, 0.17, 0.32));
    b.line(b.tone(-0.4), 0.34, oval(-0.55, 0, 0.3, 0.3));
    b.line(b.tone(0), 0.26, oval(-0.55, 0, 0.3, 0.3));
  }

  static void hammer(Brush b) {
    b.line(TIMBER, 0.2, open(-0.05, -0.45, -0.05, 0.95));
    b.body(poly(-0.75, -0.85, 0.55, -0.85, 0.95, -0.55, 0.5, -0.42, -0.75, -0.42));
    b.shade(-0.35, box(-0.88, -0.92, 0.25, 0.57));
  }

  static void umbrella(Brush b) {
    b.line(0x3c3a38, 0.1, curve(0, -0.2, 0, 0.4, 0, 0.75, 0.02, 1, 0.3, 0.85));
    b.line(0x3c3a38, 0.1, open(0, -0.95, 0, -0.75));
    b.body(
        blob(
            -1, 0.05, -0.85, -0.85, 0, -0.85, 0.85, -0.85, 1, 0.05, 0.83, -0.12, 0.66, 0.05, 0.33,
            -0.15, 0, 0.05, -0.33, -0.15, -0.66, 0.05, -0.83, -0.12, -1, 0.05));
    b.line(b.tone(-0.35), 0.05, curve(-0.1, -0.8, -0.6, -0.5, -0.66, 0));
    b.line(b.tone(-0.35), 0.05, curve(0.1, -0.8, 0.6, -0.5, 0.66, 0));
  }

  static void shoe(Brush b) {
    b.body(
        blob(
            -0.95, -0.55, -0.5, -0.65, -0.35, -0.5, -0.1, 0, 0.5, 0.02, 1, 0.1, 0.97, 0.5, 0, 0.52,
            -0.95, 0.5, -0.95, 0, -0.95, -0.55));
    b.fill(0xf2f0ea, round(-0.98, 0.42, 1.98, 0.24, 0.1));
    b.line(0xf6f6f6, 0.08, open(-0.2, -0.25, 0.05, -0.42));
    b.line(0xf6f6f6, 0.08, open(0, -0.08, 0.22, -0.25));
  }

  static void shirt(Brush b) {
    b.body(
        poly(
            -0.35, -0.85, 0.35, -0.85, 1, -0.4, 0.8, 0, 0.52, -0.15, 0.52, 0.95, -0.52, 0.95, -0.52,
            -0.15, -0.8, 0, -1, -0.4));
    b.shade(-0.5, oval(0, -0.83, 0.26, 0.2));
    b.line(b.tone(-0.3), 0.05, open(0, -0.6, 0, 0.9));
  }

  static void ball(Brush b) {
    b.body(oval(0, 0, 0.9, 0.9));
    b.line(b.tone(-0.45), 0.09, curve(-0.85, -0.2, 0, 0.3, 0.85, -0.2));
    b.line(b.tone(-0.45), 0.09, curve(0.05, -0.88, -0.35, 0, 0.05, 0.88));
    b.shade(0.5, oval(-0.35, -0.45, 0.16, 0.12));
  }

  static void kite(Brush b) {
    b.line(0x303030, 0.06, curve(0, 0.4, 0.35, 0.6, 0.1, 0.8, -0.1, 0.95, 0.3, 1));
    b.body(poly(0, -1, 0.72, -0.35, 0, 0.5, -0.72, -0.35));
    b.line(b.tone(-0.5), 0.06, open(0, -1, 0, 0.5));
    b.line(b.tone(-0.5), 0.06, open(-0.72, -0.35, 0.72, -0.35));
    b.shade(-0.3, poly(0.05, 0.7, 0.3, 0.6, 0.32, 0.82));
    b.shade(-0.3, poly(0.15, 0.92, 0.4, 0.82, 0.4, 1));
  }

  static void guitar(Brush b) {
    b.line(TIMBER, 0.18, open(0, -0.85, 0, 0.2));
    b.fill(0x3a2a1c, box(-0.16, -1.02, 0.32, 0.24));
    b.body(
        blob(
            0, -0.12, 0.45, -0.15, 0.42, 0.15, 0.32, 0.3, 0.55, 0.45, 0.7, 1, 0, 1, -0.7, 1, -0.55,
            0.45, -0.32, 0.3, -0.42, 0.15, -0.45, -0.15, 0, -0.12));
    b.fill(0x201810, oval(0, 0.35, 0.16, 0.16));
    b.line(0xe8e8e8, 0.04, open(0, -0.85, 0, 0.75));
    b.line(0x201810, 0.09, open(-0.2, 0.75, 0.2, 0.75));
  }

  static void crown(Brush b) {
    b.body(
        poly(
            -0.85, 0.65, -0.95, -0.45, -0.45, 0.02, 0, -0.75, 0.45, 0.02, 0.95, -0.45, 0.85, 0.65));
    b.shade(-0.3, box(-0.85, 0.45, 1.7, 0.22));
    b.fill(STEEL, oval(0, -0.75, 0.12, 0.12));
    b.fill(STEEL, oval(-0.93, -0.45, 0.1, 0.1));
    b.fill(STEEL, oval(0.93, -0.45, 0.1, 0.1));
  }

  static void phone(Brush b) {
    b.body(round(-0.52, -1, 1.04, 2, 0.16));
    b.fill(0xbfe3ee, box(-0.36, -0.75, 0.72, 1.3));
    b.fill(0xffffff, poly(-0.36, -0.75, 0.1, -0.75, -0.36, 0));
    b.shade(-0.45, oval(0, 0.77, 0.12, 0.12));
  }

  // ---- vehicles -------------------------------------------------------------------------------

  static void car(Brush b) {
    b.body(
        blob(
            -1, 0.45, -1.02, 0.02, -0.8, 0, -0.6, -0.02, -0.5, -0.1, -0.4, -0.55, -0.1, -0.55, 0.3,
            -0.58, 0.55, -0.1, 0.95, -0.05, 1, 0.2, 1.02, 0.4, 1, 0.45));
    b.fill(GLASS, poly(-0.35, -0.1, -0.22, -0.4, 0, -0.4, 0, -0.1));
    b.fill(GLASS, poly(0.08, -0.1, 0.08, -0.4, 0.22, -0.38, 0.4, -0.1));
    wheel(b, -0.55, 0.45, 0.24);
    wheel(b, 0.55, 0.45, 0.24);
    b.fill(0xfff2a8, oval(0.93, 0.15, 0.07, 0.09));
  }

  static void bus(Brush b) {
    b.body(round(-1, -0.75, 2, 1.3, 0.14));
    for (int i = 0; i < 4; i++) b.fill(GLASS, box(-0.85 + 0.44 * i, -0.52, 0.34, 0.42));
    b.shade(-0.35, box(-1, 0.15, 2, 0.1));
    wheel(b, -0.55, 0.58, 0.22);
    wheel(b, 0.55, 0.58, 0.22);
  }

  private static void wheel(Brush b, double x, double y, double r) {
    b.fill(TYRE, oval(x, y, r, r));
    b.fill(0xa8abb0, oval(x, y, r * 0.45, r * 0.45));
  }

  static void boat(Brush b) {
    b.line(0x5c4327, 0.09, open(0, -1, 0, 0.4));
    b.fill(0xf7f5ee, poly(0.08, -0.95, 0.8, 0.22, 0.08, 0.22));
    b.fill(0xe4e0d4, poly(-0.08, -0.7, -0.6, 0.22, -0.08, 0.22));
    b.body(
        blob(
            -1, 0.32, 0, 0.36, 1, 0.32, 0.85, 0.9, 0.5, 0.92, -0.3, 0.95, -0.55, 0.9, -0.85, 0.85,
            -1, 0.32));
  }

  static void plane(Brush b) {
    b.shade(-0.3, poly(-0.1, 0.05, 0.3, 0.05, -0.25, 0.85, -0.45, 0.85));
    b.shade(-0.3, poly(-0.05, -0.1, 0.25, -0.1, -0.25, -0.7, -0.4, -0.7));
    b.body(poly(-1, -0.62, -0.78, -0.62, -0.55, -0.1, -0.9, -0.05));
    b.body(
        blob(
            -0.95, 0.02, -0.9, -0.22, -0.4, -0.22, 0.4, -0.24, 0.7, -0.2, 1.1, -0.05, 0.95, 0.12,
            0.8, 0.22, 0.3, 0.22, -0.6, 0.22, -0.95, 0.02));
    for (int i = 0; i < 4; i++) b.fill(GLASS, oval(-0.4 + 0.27 * i, -0.04, 0.07, 0.07));
  }

  // ---- animals --------------------------------------------------------------------------------

  static void fish(Brush b) {
    b.shade(-0.2, poly(0.5, 0, 1, -0.55, 0.9, 0, 1, 0.55));
    b.shade(-0.25, poly(-0.2, -0.45, 0.25, -0.8, 0.4, -0.35));
    b.body(
        blob(
            -0.98, 0, -0.6, -0.62, 0, -0.55, 0.4, -0.45, 0.65, 0, 0.4, 0.45, 0, 0.55, -0.6, 0.62,
            -0.98, 0));
    b.line(b.tone(-0.4), 0.06, curve(-0.42, -0.4, -0.22, 0, -0.42, 0.4));
    eye(b, -0.64, -0.12, 0.1);
  }

  static void cat(Brush b) {
    b.line(b.tone(-0.2), 0.2, curve(0.5, 0.75, 1.05, 0.7, 0.8, 0.1));
    b.body(blob(-0.45, 0.95, -0.55, 0.1, 0, 0.1, 0.7, 0.15, 0.62, 0.95));
    b.body(poly(-0.75, -0.35, -0.72, -1, -0.3, -0.62));
    b.body(poly(0.32, -0.35, 0.3, -1, -0.12, -0.62));
    b.body(oval(-0.2, -0.25, 0.56, 0.48));
    eye(b, -0.42, -0.3, 0.1);
    eye(b, 0.02, -0.3, 0.1);
    b.fill(0xe58a9a, poly(-0.27, -0.12, -0.13, -0.12, -0.2, -0.03));
    b.line(0xd8d8d8, 0.03, open(-0.55, -0.08, -0.9, -0.15));
    b.line(0xd8d8d8, 0.03, open(0.15, -0.08, 0.5, -0.15));
  }

  static void dog(Brush b) {
    b.line(b.tone(-0.1), 0.16, curve(0.72, 0.1, 1, -0.1, 0.95, -0.4));
    for (double x : new double[] {-0.32, -0.08, 0.42, 0.66}) {
      b.line(b.tone(-0.2), 0.17, open(x, 0.35, x, 0.88));
    }
    b.body(
        blob(
            -0.45, 0.1, -0.1, -0.1, 0.4, -0.02, 0.85, 0, 0.8, 0.35, 0.6, 0.6, 0.1, 0.52, -0.45,
            0.55, -0.45, 0.1));
    b.body(
        blob(
            -0.3, 0.2, -0.2, -0.6, -0.55, -0.62, -0.8, -0.62, -0.82, -0.35, -1.05, -0.3, -1, -0.08,
            -0.8, 0.05, -0.6, 0, -0.5, 0.15, -0.3, 0.2));
    b.shade(-0.45, blob(-0.4, -0.6, -0.12, -0.5, -0.2, 0.05, -0.45, -0.05, -0.4, -0.6));
    b.fill(DARK, oval(-0.98, -0.22, 0.09, 0.08));
    eye(b, -0.65, -0.4, 0.08);
  }

  private static void eye(Brush b, double x, double y, double r) {
    b.fill(0xfafafa, oval(x, y, r, r));
    b.fill(DARK, oval(x, y, r * 0.6, r * 0.6));
  }
}
