// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.wrong;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.clipsteer.engine.Scope;
import org.bytedeco.pytorch.Tensor;

/** Breaks every rule of the architecture, so that its test can show that it sees that. */
public record Intruder(Scope scope, Tensor tensor, HuggingFaceTokenizer tokenizer) {}
