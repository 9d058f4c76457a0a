// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;

/**
 * Where an edit happens.
 *
 * @param tokens which tokens it changes
 */
record EditSite(HookPoint point, TokenSelection tokens) {}
