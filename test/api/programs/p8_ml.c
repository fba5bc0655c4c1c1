/* scikit-learn: fit and predict; embeddings by name; submitted calls. */
#include <snakebridge.h>
#include "py/app.h"
#include "py/sklearn/linear_model.h"

int main(void)
{
    sb_session *py = sb_open();
    static double X[6][2], y[6];
    for (int i = 0; i < 6; i++)
        y[i] = 2 * (X[i][0] = i) + 1;
    sb_array xs = SB_ARRAY(&X[0][0], 6, 2), ys = SB_ARRAY(y, 6);
    sklearn_linear_model_Ridge model = sklearn_linear_model_Ridge_new(
        py, .alpha = SB(0.5), .fit_intercept = SB_FALSE, .random_state = SB(0));
    sklearn_linear_model_Ridge_fit(py, model, &xs, &ys);
    sklearn_linear_model_Ridge_alpha_set(py, model, 0.0);
    int64_t n;
    const double *p =
        SB_DATA(py, sb_as_array(py, sklearn_linear_model_Ridge_predict(py, model, &xs)), double, &n);
    for (int64_t i = 0; i < n; i++)
        printf("%.4f ", p[i]);
    puts("");

    /* Submitted: the program goes on, a use waits. */
    sb_object fit = sklearn_linear_model_Ridge_fit_submit(py, model, &xs, &ys);
    sb_object score = sklearn_linear_model_Ridge_score_submit(py, model, &xs, &ys);
    printf("%d\n", sb_wait(py, fit, -1));
    printf("%.4f\n", sb_as_double(py, SB(score)));

    sb_value encoder = sb_call(py, "tiny_embed.Encoder", "words");
    sb_value texts = SB_LIST(py, "a cat", "a dog", "a bridge");
    sb_value emb = sb_method(py, encoder, "encode", texts, SB_KW("normalize", SB_TRUE));
    sb_value sim = sb_op(py, emb, "@", sb_attr(py, emb, "T"));
    sb_object job = sb_submit(py, "time.sleep", 0.2);
    int turns = 0;
    while (!sb_wait(py, job, 0.05))
        turns++;
    puts(turns > 0 ? "still working" : "at once");
    puts(sb_to_str(py, sb_method(py, sim, "round", 3)).ptr);
    printf("%.3f\n", sb_as_double(py, sb_item(py, sim, SB_TUPLE(py, 0, 1))));
    sb_object endless = app_forever_submit(py);
    printf("%d ", sb_wait(py, endless, 0.05));
    sb_cancel(py, endless);
    printf("%d %d\n", sb_wait(py, endless, -1), sb_get_error(py)->code == SB_E_CANCELLED);
    sb_clear_error(py);
    return sb_close(py);
}
