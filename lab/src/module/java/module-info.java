// SPDX-License-Identifier: Apache-2.0

/** Training, measuring and editing. Exported are the packages with a type marked {@code @API}. */
open module io.clipsteer.lab {
  requires java.desktop;
  requires java.sql;
  requires com.fasterxml.jackson.annotation;
  requires duckdb.jdbc;
  requires transitive io.clipsteer.data;
  requires transitive io.clipsteer.engine;
  requires io.clipsteer.kernels;
  requires io.clipsteer.world;
  requires mlflow.client;
  requires tools.jackson.core;
  requires tools.jackson.databind;
  requires tools.jackson.dataformat.yaml;
  requires static org.apiguardian.api;
  requires static org.jspecify;

  exports io.clipsteer.lab.answer;
  exports io.clipsteer.lab.index;
  exports io.clipsteer.lab.probe;
  exports io.clipsteer.lab.run;
  exports io.clipsteer.lab.attack to
      io.clipsteer.cli;
  exports io.clipsteer.lab.block to
      io.clipsteer.cli,
      io.clipsteer.cluster;
  exports io.clipsteer.lab.compare to
      io.clipsteer.cli;
  exports io.clipsteer.lab.cue to
      io.clipsteer.cli;
  exports io.clipsteer.lab.demo to
      io.clipsteer.cli;
  exports io.clipsteer.lab.edit to
      io.clipsteer.cli,
      io.clipsteer.explorer;
  exports io.clipsteer.lab.evaluate to
      io.clipsteer.cli;
  exports io.clipsteer.lab.experiment to
      io.clipsteer.cli,
      io.clipsteer.explorer;
  exports io.clipsteer.lab.label to
      io.clipsteer.cli,
      io.clipsteer.explorer;
  exports io.clipsteer.lab.reproduce to
      io.clipsteer.cli;
  exports io.clipsteer.lab.selectivity to
      io.clipsteer.cli;
  exports io.clipsteer.lab.steer to
      io.clipsteer.cli,
      io.clipsteer.explorer;
  exports io.clipsteer.lab.study to
      io.clipsteer.cli;
  exports io.clipsteer.lab.suppress to
      io.clipsteer.cli;
  exports io.clipsteer.lab.train to
      io.clipsteer.cli;
}
