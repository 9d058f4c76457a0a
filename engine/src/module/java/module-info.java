// SPDX-License-Identifier: Apache-2.0

/** Towers, SAEs and edits. Exported are the packages with a type marked {@code @API}. */
open module io.clipsteer.engine {
  requires ai.djl.tokenizers;
  requires com.google.protobuf;
  requires transitive io.clipsteer.data;
  requires io.clipsteer.kernels;
  requires org.bytedeco.javacpp;
  requires org.bytedeco.pytorch;
  requires org.tribuo.util.onnx;
  requires tools.jackson.core;
  requires tools.jackson.databind;
  requires static org.apiguardian.api;
  requires static org.jspecify;

  exports io.clipsteer.engine;
  exports io.clipsteer.engine.checkpoint;
  exports io.clipsteer.engine.edit;
  exports io.clipsteer.engine.model;
  exports io.clipsteer.engine.sae;
  exports io.clipsteer.engine.sae.format;
  exports io.clipsteer.engine.onnx to
      io.clipsteer.cli;
  exports io.clipsteer.engine.pretrain to
      io.clipsteer.lab;
  exports io.clipsteer.engine.sae.train to
      io.clipsteer.bench,
      io.clipsteer.cli,
      io.clipsteer.lab;
  exports io.clipsteer.engine.steer to
      io.clipsteer.lab;
}
