// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.MlflowClientException;

/**
 * A training's settings and curve on an MLflow server, beside the files that are always written. A
 * server that cannot be reached at the beginning is an error; one that is lost later costs the
 * values meant for it and never the training.
 */
public final class MlflowTracker implements AutoCloseable {
  /** What all runs are filed under. */
  public static final String EXPERIMENT = "clipsteer";

  private static final int TOGETHER = 200;
  private static final int LONGEST_VALUE = 500;

  private final MlflowClient client;
  private final String run;
  private final List<Metric> waiting = new ArrayList<>();
  private long lost;
  private boolean finished;

  /**
   * Begins a run.
   *
   * @param uri the server's, http or https
   * @throws InputException when there is no such server, or it refuses
   */
  public static MlflowTracker begin(String uri) {
    try {
      String scheme = new URI(uri).getScheme();
      if (!"http".equals(scheme) && !"https".equals(scheme)) throw wrong(uri);
    } catch (URISyntaxException e) {
      throw wrong(uri);
    }
    MlflowClient client = new MlflowClient(uri);
    try {
      String experiment =
          client
              .getExperimentByName(EXPERIMENT)
              .map(found -> found.getExperimentId())
              .orElseGet(() -> client.createExperiment(EXPERIMENT));
      return new MlflowTracker(client, client.createRun(experiment).getRunId());
    } catch (MlflowClientException e) {
      client.close();
      throw new InputException(
          "--mlflow " + uri,
          "the server cannot be used: " + reason(e),
          "Start it, or leave --mlflow out");
    }
  }

  /** The first line of what went wrong in the first place. */
  private static String reason(Throwable thrown) {
    Throwable first = thrown;
    while (first.getCause() != null) first = first.getCause();
    return String.valueOf(first.getMessage()).lines().findFirst().orElse("no reason given");
  }

  private static InputException wrong(String uri) {
    return new InputException(
        "--mlflow " + uri, "is no server's address", "Write http://host:port");
  }

  private static Param param(String key, String value) {
    String kept = value.isEmpty() ? "-" : value;
    if (kept.length() > LONGEST_VALUE) kept = kept.substring(0, LONGEST_VALUE);
    return Param.newBuilder().setKey(key).setValue(kept).build();
  }

  private MlflowTracker(MlflowClient client, String run) {
    this.client = client;
    this.run = run;
  }

  /** The run's parameters. */
  void add(Map<String, Object> settings) {
    List<Param> params = new ArrayList<>();
    settings.forEach((key, value) -> params.add(param(key, String.valueOf(value))));
    try {
      client.logBatch(run, List.of(), params, List.of());
    } catch (MlflowClientException e) {
      lost += params.size();
    }
  }

  /** A point of the curve of an SAE called {@code name}. */
  void add(Training.CurvePoint point, String name) {
    add(name + "/loss", point.loss(), point.step());
    add(name + "/l0", point.l0(), point.step());
    if (waiting.size() >= TOGETHER) send();
  }

  /** What came out for an SAE, at the last step. */
  void add(Training.Trained trained, long step) {
    String name = trained.spec().name();
    add(name + "/explained_variance", trained.quality().explainedVariance(), step);
    add(name + "/evaluation_l0", trained.quality().l0(), step);
    add(name + "/alive_fraction", trained.quality().aliveFraction(), step);
  }

  private void add(String key, double value, long step) {
    waiting.add(
        Metric.newBuilder()
            .setKey(key)
            .setValue(value)
            .setStep(step)
            .setTimestamp(System.currentTimeMillis())
            .build());
  }

  private void send() {
    try {
      client.logBatch(run, List.copyOf(waiting), List.of(), List.of());
    } catch (MlflowClientException e) {
      lost += waiting.size();
    }
    waiting.clear();
  }

  /** Sends what waits; the run is complete. */
  void finish() {
    send();
    finished = true;
  }

  /** Values that the server did not take. */
  public long lost() {
    return lost;
  }

  /** Ends the run on the server: finished, or failed. */
  @Override
  public void close() {
    try {
      if (!waiting.isEmpty()) send();
      client.setTerminated(run, finished ? RunStatus.FINISHED : RunStatus.FAILED);
    } catch (MlflowClientException e) {
      lost++;
    } finally {
      client.close();
    }
  }
}
