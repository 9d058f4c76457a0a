// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.run.VarianceForms;
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
 * Sends a training's settings and curve to an MLflow server, beside the files that are always
 * written. A server that cannot be reached at the start is an error; one that is lost later loses
 * values and never stops the training.
 */
public final class MlflowTracker implements AutoCloseable {
  /** Experiment of all runs. */
  public static final String EXPERIMENT = "clipsteer";

  private static final int TOGETHER = 200;
  private static final int LONGEST_VALUE = 500;

  private final MlflowClient client;
  private final String run;
  private final List<Metric> waiting = new ArrayList<>();
  private long lost;
  private boolean finished;

  /**
   * Starts a run.
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
          "Start it, or omit --mlflow");
    }
  }

  /** The first line of the root cause. */
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

  /** Sends the run's parameters. */
  void add(Map<String, Object> settings) {
    List<Param> params = new ArrayList<>();
    settings.forEach((key, value) -> params.add(param(key, String.valueOf(value))));
    try {
      client.logBatch(run, List.of(), params, List.of());
    } catch (MlflowClientException e) {
      lost += params.size();
    }
  }

  /** Adds a point of an SAE's curve. */
  void add(Training.CurveStep point) {
    add(point.sae() + "/loss", point.loss(), point.step());
    add(point.sae() + "/l0", point.l0(), point.step());
    if (waiting.size() >= TOGETHER) send();
  }

  /** Adds a finished SAE's quality, at the last step. */
  void add(Training.Trained trained, long step) {
    String name = trained.spec().name();
    add(name + "/explained_variance", trained.quality().explainedVariance(), step);
    VarianceForms variance = trained.quality().variance();
    if (variance != null && variance.tokenMean() != null) {
      add(name + "/token_mean", variance.tokenMean(), step);
    }
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

  /** Sends the remaining values; the run is complete. */
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
