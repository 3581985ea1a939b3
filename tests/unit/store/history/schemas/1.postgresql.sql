SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.change (
    id text NOT NULL,
    series integer NOT NULL,
    shape text NOT NULL,
    last_good text NOT NULL,
    first_bad text NOT NULL,
    before double precision NOT NULL,
    after double precision NOT NULL,
    "interval" text,
    statistic double precision NOT NULL,
    rule text NOT NULL,
    state text NOT NULL,
    worse boolean NOT NULL,
    nominated text NOT NULL,
    since text NOT NULL,
    culprit text NOT NULL,
    times_reopened integer NOT NULL
);
CREATE TABLE public.counted (
    run integer NOT NULL,
    workload text NOT NULL,
    protocol text NOT NULL,
    variant text NOT NULL,
    family text NOT NULL
);
CREATE TABLE public.decision (
    pk integer NOT NULL,
    change text NOT NULL,
    state text NOT NULL,
    who text NOT NULL,
    date text NOT NULL,
    reason text NOT NULL,
    until text
);
CREATE SEQUENCE public.decision_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.decision_pk_seq OWNED BY public.decision.pk;
CREATE TABLE public.device (
    pk integer NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    kind text NOT NULL
);
CREATE TABLE public.device_alias (
    alias text NOT NULL,
    device integer NOT NULL
);
CREATE SEQUENCE public.device_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.device_pk_seq OWNED BY public.device.pk;
CREATE TABLE public.environment (
    id text NOT NULL,
    versions text NOT NULL,
    git text NOT NULL,
    surroundings text NOT NULL
);
CREATE TABLE public.event (
    pk integer NOT NULL,
    device integer NOT NULL,
    night text NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    workload text,
    by_itself boolean NOT NULL
);
CREATE SEQUENCE public.event_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.event_pk_seq OWNED BY public.event.pk;
CREATE TABLE public.point (
    series integer NOT NULL,
    run integer NOT NULL,
    value double precision,
    error double precision,
    samples integer NOT NULL,
    excluded text NOT NULL
);
CREATE TABLE public.run (
    pk integer NOT NULL,
    id text NOT NULL,
    device integer NOT NULL,
    night text NOT NULL,
    date text NOT NULL,
    "position" text NOT NULL,
    environment text NOT NULL,
    outcome text NOT NULL,
    commit text,
    missing text NOT NULL,
    machine text NOT NULL,
    protocols text NOT NULL
);
CREATE SEQUENCE public.run_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.run_pk_seq OWNED BY public.run.pk;
CREATE TABLE public.series (
    pk integer NOT NULL,
    device integer NOT NULL,
    workload text NOT NULL,
    protocol text NOT NULL,
    variant text NOT NULL,
    metric text NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL,
    higher_is_better boolean NOT NULL,
    family text NOT NULL
);
CREATE SEQUENCE public.series_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.series_pk_seq OWNED BY public.series.pk;
CREATE TABLE public.session (
    run integer NOT NULL,
    workload text NOT NULL,
    variant text NOT NULL,
    samples text NOT NULL
);
CREATE TABLE public.trial (
    pk integer NOT NULL,
    change text NOT NULL,
    purpose text NOT NULL,
    base text NOT NULL,
    head text NOT NULL,
    verdict text NOT NULL,
    ratio double precision,
    "interval" text,
    cost_s double precision NOT NULL,
    date text NOT NULL,
    detail text NOT NULL
);
CREATE SEQUENCE public.trial_pk_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_pk_seq OWNED BY public.trial.pk;
ALTER TABLE ONLY public.decision ALTER COLUMN pk SET DEFAULT nextval('public.decision_pk_seq'::regclass);
ALTER TABLE ONLY public.device ALTER COLUMN pk SET DEFAULT nextval('public.device_pk_seq'::regclass);
ALTER TABLE ONLY public.event ALTER COLUMN pk SET DEFAULT nextval('public.event_pk_seq'::regclass);
ALTER TABLE ONLY public.run ALTER COLUMN pk SET DEFAULT nextval('public.run_pk_seq'::regclass);
ALTER TABLE ONLY public.series ALTER COLUMN pk SET DEFAULT nextval('public.series_pk_seq'::regclass);
ALTER TABLE ONLY public.trial ALTER COLUMN pk SET DEFAULT nextval('public.trial_pk_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('1');
INSERT INTO public.change VALUES ('c1', 16, 'step', '2026-03-05', '2026-03-06', 0.5, 0.55, '[1.05, 1.15]', 7.5, 'changes 1', 'ignored', true, '2026-03-07', '2026-03-08', '{}', 0);
INSERT INTO public.change VALUES ('c2', 34, 'exact', '2026-03-04', '2026-03-05', 3, 4, NULL, 'Infinity', 'changes 1', 'confirmed', true, '2026-03-05', '2026-03-05', '{}', 0);
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'fp32', 'operators');
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'fp32', 'FLOPs');
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'fp32', 'weights');
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'bf16', 'operators');
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'bf16', 'FLOPs');
INSERT INTO public.counted VALUES (1, 'shapes', 'shapes 128x128', 'bf16', 'weights');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'fp32', 'operators');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'fp32', 'FLOPs');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'fp32', 'weights');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'bf16', 'operators');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'bf16', 'FLOPs');
INSERT INTO public.counted VALUES (2, 'shapes', 'shapes 128x128', 'bf16', 'weights');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'fp32', 'operators');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'fp32', 'FLOPs');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'fp32', 'weights');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'bf16', 'operators');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'bf16', 'FLOPs');
INSERT INTO public.counted VALUES (3, 'shapes', 'shapes 128x128', 'bf16', 'weights');
INSERT INTO public.decision VALUES (1, 'c1', 'ignored', 'somebody', '2026-03-08', 'known', 'torch>=2.14');
INSERT INTO public.device VALUES (1, 'cpu-example-2t', 'cpu-example-2t', 'cpu');
INSERT INTO public.device_alias VALUES ('cpu-example-2t', 1);
INSERT INTO public.environment VALUES ('8dc0e9d595cd623c', '{"torch": "2.13.0"}', '{"torch": "abc"}', '{"allocator": "glibc 2.36", "code_for": "AVX512, 2 threads", "driver": "550.1", "kernel": "6.1", "python": "3.11.7", "threads": "2"}');
INSERT INTO public.environment VALUES ('e36080c8c120affa', '{"torch": "2.13.0"}', '{"torch": "abc"}', '{"allocator": "glibc 2.36", "code_for": "AVX512, 2 threads", "driver": "560", "kernel": "6.1", "python": "3.11.7", "threads": "2"}');
INSERT INTO public.environment VALUES ('964b423a0eb0a0d5', '{}', '{}', '{}');
INSERT INTO public.event VALUES (1, 1, '2026-03-06', 'driver', 'driver 550.1 -> 560', NULL, true);
INSERT INTO public.event VALUES (2, 1, '2026-03-06', 'other', 'it''s "moved"', NULL, false);
INSERT INTO public.point VALUES (1, 1, 0.7036557699106801, 0.005031950239430753, 19, '');
INSERT INTO public.point VALUES (2, 1, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (3, 1, 0.021000000000000005, 0, 30, '');
INSERT INTO public.point VALUES (4, 1, 0.006999999999999999, NULL, 1, '');
INSERT INTO public.point VALUES (5, 1, 0.041999999999999996, NULL, 1, '');
INSERT INTO public.point VALUES (6, 1, 0.020999999999999998, NULL, 1, '');
INSERT INTO public.point VALUES (7, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (8, 1, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (9, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (10, 1, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (11, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (12, 1, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (13, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (14, 1, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (15, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (16, 1, 0.5008183002618444, 0.0037794745364148666, 19, '');
INSERT INTO public.point VALUES (17, 1, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (18, 1, 0.014999999999999998, 0, 30, '');
INSERT INTO public.point VALUES (19, 1, 0.005, NULL, 1, '');
INSERT INTO public.point VALUES (20, 1, 0.03, NULL, 1, '');
INSERT INTO public.point VALUES (21, 1, 0.015, NULL, 1, '');
INSERT INTO public.point VALUES (22, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (23, 1, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (24, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (25, 1, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (26, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (27, 1, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (28, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (29, 1, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (30, 1, 1, NULL, 1, '');
INSERT INTO public.point VALUES (31, 1, 3, NULL, 1, '');
INSERT INTO public.point VALUES (32, 1, 1000000000000, NULL, 1, '');
INSERT INTO public.point VALUES (33, 1, 5000000, NULL, 1, '');
INSERT INTO public.point VALUES (34, 1, 3, NULL, 1, '');
INSERT INTO public.point VALUES (35, 1, 1000000000000, NULL, 1, '');
INSERT INTO public.point VALUES (36, 1, 5000000, NULL, 1, '');
INSERT INTO public.point VALUES (1, 2, 0.7036557699106801, 0.005031950239430753, 19, '');
INSERT INTO public.point VALUES (2, 2, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (3, 2, 0.021000000000000005, 0, 30, '');
INSERT INTO public.point VALUES (4, 2, 0.006999999999999999, NULL, 1, '');
INSERT INTO public.point VALUES (5, 2, 0.041999999999999996, NULL, 1, '');
INSERT INTO public.point VALUES (6, 2, 0.020999999999999998, NULL, 1, '');
INSERT INTO public.point VALUES (7, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (8, 2, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (9, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (10, 2, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (11, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (12, 2, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (13, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (14, 2, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (15, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (16, 2, 0.6009056701923023, 0.005753874258169903, 19, '');
INSERT INTO public.point VALUES (17, 2, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (18, 2, 0.018000000000000002, 0, 30, '');
INSERT INTO public.point VALUES (19, 2, 0.006, NULL, 1, '');
INSERT INTO public.point VALUES (20, 2, 0.036, NULL, 1, '');
INSERT INTO public.point VALUES (21, 2, 0.018, NULL, 1, '');
INSERT INTO public.point VALUES (22, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (23, 2, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (24, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (25, 2, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (26, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (27, 2, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (28, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (29, 2, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (30, 2, 1, NULL, 1, '');
INSERT INTO public.point VALUES (34, 2, 4, NULL, 1, '');
INSERT INTO public.point VALUES (1, 3, 0.7036557699106801, 0.005031950239430753, 19, '');
INSERT INTO public.point VALUES (2, 3, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (3, 3, 0.021000000000000005, 0, 30, '');
INSERT INTO public.point VALUES (4, 3, 0.006999999999999999, NULL, 1, '');
INSERT INTO public.point VALUES (5, 3, 0.041999999999999996, NULL, 1, '');
INSERT INTO public.point VALUES (6, 3, 0.020999999999999998, NULL, 1, '');
INSERT INTO public.point VALUES (7, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (8, 3, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (9, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (10, 3, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (11, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (12, 3, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (13, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (14, 3, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (15, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (16, 3, 0.7036557699106801, 0.005031950239430753, 19, '');
INSERT INTO public.point VALUES (17, 3, 0.6999523777126226, 0.025, 3, '');
INSERT INTO public.point VALUES (18, 3, 0.021000000000000005, 0, 30, '');
INSERT INTO public.point VALUES (19, 3, 0.006999999999999999, NULL, 1, '');
INSERT INTO public.point VALUES (20, 3, 0.041999999999999996, NULL, 1, '');
INSERT INTO public.point VALUES (21, 3, 0.020999999999999998, NULL, 1, '');
INSERT INTO public.point VALUES (22, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (23, 3, 0.9982000000000001, NULL, 4, '');
INSERT INTO public.point VALUES (24, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (25, 3, 1.5999999999999999, NULL, 12, '');
INSERT INTO public.point VALUES (26, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (27, 3, 0.6666666666666667, NULL, 400, '');
INSERT INTO public.point VALUES (28, 3, 1, NULL, 1, '');
INSERT INTO public.point VALUES (29, 3, 0, NULL, 60, 'not above 0');
INSERT INTO public.point VALUES (30, 3, 1, NULL, 1, '');
INSERT INTO public.run VALUES (1, 'run-0', 1, '2026-03-04', '2026-03-04T05:06:07.000+00:00', '2026-03-04 2026-03-04T05:06:07.000+00:00', '8dc0e9d595cd623c', 'complete', 'abc1234', '[]', '{"bfloat16": "native", "count": "2", "name": "Example CPU"}', '{"shapes": "shapes 128x128"}');
INSERT INTO public.run VALUES (2, 'run-1', 1, '2026-03-05', '2026-03-05T05:06:07.000+00:00', '2026-03-05 2026-03-05T05:06:07.000+00:00', '8dc0e9d595cd623c', 'complete', 'abc1234', '[]', '{"bfloat16": "native", "count": "2", "name": "Example CPU"}', '{"shapes": "shapes 128x128"}');
INSERT INTO public.run VALUES (3, 'run-2', 1, '2026-03-06', '2026-03-06T05:06:07.000+00:00', '2026-03-06 2026-03-06T05:06:07.000+00:00', 'e36080c8c120affa', 'complete', 'abc1234', '[]', '{"bfloat16": "native", "count": "2", "name": "Example CPU"}', '{"shapes": "shapes 128x128"}');
INSERT INTO public.run VALUES (4, 'run-3', 1, '2026-03-07', '2026-03-07T05:06:07.000+00:00', '2026-03-07 2026-03-07T05:06:07.000+00:00', '964b423a0eb0a0d5', 'nothing', NULL, '["shapes/bf16"]', '{"bfloat16": "native", "count": "2", "name": "Example CPU"}', '{}');
INSERT INTO public.series VALUES (1, 1, 'shapes', 'shapes 128x128', 'fp32', 'latency', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (2, 1, 'shapes', 'shapes 128x128', 'fp32', 'relative latency', 'ratio', 'noisy', false, '');
INSERT INTO public.series VALUES (3, 1, 'shapes', 'shapes 128x128', 'fp32', 'stage: step', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (4, 1, 'shapes', 'shapes 128x128', 'fp32', 'stage: text encoders', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (5, 1, 'shapes', 'shapes 128x128', 'fp32', 'stage: VAE', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (6, 1, 'shapes', 'shapes 128x128', 'fp32', 'stage: other', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (7, 1, 'shapes', 'shapes 128x128', 'fp32', 'gate: quality', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (8, 1, 'shapes', 'shapes 128x128', 'fp32', 'SSIM', 'ratio', 'noisy', true, '');
INSERT INTO public.series VALUES (9, 1, 'shapes', 'shapes 128x128', 'fp32', 'gate: pictures', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (10, 1, 'shapes', 'shapes 128x128', 'fp32', 'worst error: components', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (11, 1, 'shapes', 'shapes 128x128', 'fp32', 'gate: components', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (12, 1, 'shapes', 'shapes 128x128', 'fp32', 'worst error: modules', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (13, 1, 'shapes', 'shapes 128x128', 'fp32', 'gate: modules', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (14, 1, 'shapes', 'shapes 128x128', 'fp32', 'worst error: loop', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (15, 1, 'shapes', 'shapes 128x128', 'fp32', 'gate: loop', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (16, 1, 'shapes', 'shapes 128x128', 'bf16', 'latency', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (17, 1, 'shapes', 'shapes 128x128', 'bf16', 'relative latency', 'ratio', 'noisy', false, '');
INSERT INTO public.series VALUES (18, 1, 'shapes', 'shapes 128x128', 'bf16', 'stage: step', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (19, 1, 'shapes', 'shapes 128x128', 'bf16', 'stage: text encoders', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (20, 1, 'shapes', 'shapes 128x128', 'bf16', 'stage: VAE', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (21, 1, 'shapes', 'shapes 128x128', 'bf16', 'stage: other', 's', 'noisy', false, '');
INSERT INTO public.series VALUES (22, 1, 'shapes', 'shapes 128x128', 'bf16', 'gate: quality', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (23, 1, 'shapes', 'shapes 128x128', 'bf16', 'SSIM', 'ratio', 'noisy', true, '');
INSERT INTO public.series VALUES (24, 1, 'shapes', 'shapes 128x128', 'bf16', 'gate: pictures', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (25, 1, 'shapes', 'shapes 128x128', 'bf16', 'worst error: components', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (26, 1, 'shapes', 'shapes 128x128', 'bf16', 'gate: components', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (27, 1, 'shapes', 'shapes 128x128', 'bf16', 'worst error: modules', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (28, 1, 'shapes', 'shapes 128x128', 'bf16', 'gate: modules', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (29, 1, 'shapes', 'shapes 128x128', 'bf16', 'worst error: loop', 'budgets', 'noisy', false, '');
INSERT INTO public.series VALUES (30, 1, 'shapes', 'shapes 128x128', 'bf16', 'gate: loop', 'passes', 'exact', true, '');
INSERT INTO public.series VALUES (31, 1, 'shapes', 'shapes 128x128', 'fp32', 'operators: aten.add', 'count', 'exact', false, 'operators');
INSERT INTO public.series VALUES (32, 1, 'shapes', 'shapes 128x128', 'fp32', 'FLOPs: unet', 'FLOP', 'exact', false, 'FLOPs');
INSERT INTO public.series VALUES (33, 1, 'shapes', 'shapes 128x128', 'fp32', 'weights: unet', 'bytes', 'exact', false, 'weights');
INSERT INTO public.series VALUES (34, 1, 'shapes', 'shapes 128x128', 'bf16', 'operators: aten.add', 'count', 'exact', false, 'operators');
INSERT INTO public.series VALUES (35, 1, 'shapes', 'shapes 128x128', 'bf16', 'FLOPs: unet', 'FLOP', 'exact', false, 'FLOPs');
INSERT INTO public.series VALUES (36, 1, 'shapes', 'shapes 128x128', 'bf16', 'weights: unet', 'bytes', 'exact', false, 'weights');
INSERT INTO public.session VALUES (1, 'shapes', 'fp32', '{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.session VALUES (1, 'shapes', 'bf16', '{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.5007889780107522,0.5042394818525697,0.5157095922722459,0.5107341422017828,0.5041885819556607,0.5024584903229077,0.5080746644390568,0.5069451031028095,0.5008989453053112,0.5006725349801686,0.5022909557185111,0.5038526593379327,0.5109046695552669,0.5011548689046239,0.510081818779218,0.5077336314592673,0.5022713484854749,0.5115732730747037,0.5149161721616811],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.5,0.5,0.5],"warmup_steady":true,"stages":{"text_encoders_s":0.005,"steps_s":[0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001],"vae_s":0.03,"other_s":0.015},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.session VALUES (2, 'shapes', 'fp32', '{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.session VALUES (2, 'shapes', 'bf16', '{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.6203425098428487,0.6008783623995733,0.6009807730216018,0.6329625564387164,0.6018697997364233,0.6096364521994618,0.6212668702022847,0.6139301329157955,0.619284513388747,0.6094709626981608,0.6130817136307964,0.6004460937765734,0.6243831899651083,0.6135249476071315,0.6085680318924535,0.6064126308077471,0.601151721660781,0.6127164409859124,0.610747450605152],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.6,0.6,0.6],"warmup_steady":true,"stages":{"text_encoders_s":0.006,"steps_s":[0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002],"vae_s":0.036,"other_s":0.018},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.session VALUES (3, 'shapes', 'fp32', '{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"560","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.session VALUES (3, 'shapes', 'bf16', '{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"560","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO public.trial VALUES (1, 'c1', 'confirm', '{"torch": "2.12.0"}', '{"torch": "2.13.0"}', 'REGRESSED', 1.1, '[1.05, 1.15]', 61.5, '2026-03-07T03:00:00+00:00', '');
SELECT pg_catalog.setval('public.decision_pk_seq', 1, true);
SELECT pg_catalog.setval('public.device_pk_seq', 1, true);
SELECT pg_catalog.setval('public.event_pk_seq', 2, true);
SELECT pg_catalog.setval('public.run_pk_seq', 4, true);
SELECT pg_catalog.setval('public.series_pk_seq', 36, true);
SELECT pg_catalog.setval('public.trial_pk_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.change
    ADD CONSTRAINT pk_change PRIMARY KEY (id);
ALTER TABLE ONLY public.counted
    ADD CONSTRAINT pk_counted PRIMARY KEY (run, workload, protocol, variant, family);
ALTER TABLE ONLY public.decision
    ADD CONSTRAINT pk_decision PRIMARY KEY (pk);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT pk_device PRIMARY KEY (pk);
ALTER TABLE ONLY public.device_alias
    ADD CONSTRAINT pk_device_alias PRIMARY KEY (alias);
ALTER TABLE ONLY public.environment
    ADD CONSTRAINT pk_environment PRIMARY KEY (id);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT pk_event PRIMARY KEY (pk);
ALTER TABLE ONLY public.point
    ADD CONSTRAINT pk_point PRIMARY KEY (series, run);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (pk);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT pk_series PRIMARY KEY (pk);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT pk_session PRIMARY KEY (run, workload, variant);
ALTER TABLE ONLY public.trial
    ADD CONSTRAINT pk_trial PRIMARY KEY (pk);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT uq_device_name UNIQUE (name);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT uq_run_id UNIQUE (id);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT uq_series_identity UNIQUE (device, workload, protocol, variant, metric, unit, kind, higher_is_better);
CREATE INDEX ix_change_series ON public.change USING btree (series);
CREATE INDEX ix_decision_change ON public.decision USING btree (change);
CREATE INDEX ix_event_device ON public.event USING btree (device);
CREATE INDEX ix_point_run ON public.point USING btree (run);
CREATE INDEX ix_run_device_position ON public.run USING btree (device, "position");
CREATE INDEX ix_trial_change ON public.trial USING btree (change);
ALTER TABLE ONLY public.change
    ADD CONSTRAINT fk_change_series FOREIGN KEY (series) REFERENCES public.series(pk);
ALTER TABLE ONLY public.counted
    ADD CONSTRAINT fk_counted_run FOREIGN KEY (run) REFERENCES public.run(pk);
ALTER TABLE ONLY public.decision
    ADD CONSTRAINT fk_decision_change FOREIGN KEY (change) REFERENCES public.change(id);
ALTER TABLE ONLY public.device_alias
    ADD CONSTRAINT fk_device_alias_device FOREIGN KEY (device) REFERENCES public.device(pk);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT fk_event_device FOREIGN KEY (device) REFERENCES public.device(pk);
ALTER TABLE ONLY public.point
    ADD CONSTRAINT fk_point_run FOREIGN KEY (run) REFERENCES public.run(pk);
ALTER TABLE ONLY public.point
    ADD CONSTRAINT fk_point_series FOREIGN KEY (series) REFERENCES public.series(pk);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT fk_run_device FOREIGN KEY (device) REFERENCES public.device(pk);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT fk_run_environment FOREIGN KEY (environment) REFERENCES public.environment(id);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT fk_series_device FOREIGN KEY (device) REFERENCES public.device(pk);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT fk_session_run FOREIGN KEY (run) REFERENCES public.run(pk);
ALTER TABLE ONLY public.trial
    ADD CONSTRAINT fk_trial_change FOREIGN KEY (change) REFERENCES public.change(id);
