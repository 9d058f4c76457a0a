// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.onnx;

/** An edit that can be said in ONNX. */
public interface OnnxEdit {
  /**
   * Adds it to a graph.
   *
   * @param residual name of a value [b,t,d]
   * @param tokens t
   * @return name of the edited value [b,t,d]
   */
  String addTo(OnnxGraph graph, String residual, int tokens);
}
